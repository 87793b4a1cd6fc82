"""Processes that go and come back: gracefully for the most part, now and then by kill -9."""

from __future__ import annotations

import asyncio
import math
import random
import signal
import time
from collections.abc import Awaitable, Iterator
from dataclasses import asdict, dataclass
from typing import Any, Final

from tests.support.cluster import READY_SECONDS, Cluster, Component
from tests.support.eventually import eventually_async

DECK: Final = (
    ("worker", "TERM"),
    ("gateway", "TERM"),
    ("worker", "KILL"),
    ("allocator", "TERM"),
    ("worker", "TERM"),
    ("monitor", "KILL"),
    ("gateway", "KILL"),
    ("monitor", "TERM"),
    ("worker", "TERM"),
    ("allocator", "KILL"),
)
"""What happens, shuffled anew each time it is used up."""
LEAVE_SECONDS: Final = 95.0
"""A worker has 60 s to hand its calls over (`ASR_DRAIN_SECONDS`), and 30 more (docs/runbook.md)."""
AWAY_SECONDS: Final = (0.0, 8.0)
SETTLE_SECONDS: Final = 12.0
"""Callers may notice a restart for so long after it."""


@dataclass(slots=True)
class Restart:
    """One of them; times in seconds from the beginning of the soak."""

    name: str
    how: str
    at: float
    code: int | None = None
    gone: float | None = None
    pid: int = 0
    """Of its next life."""
    back: float | None = None
    trouble: str = ""

    @property
    def clean(self) -> bool:
        """Whether it left as it was asked to, and came back."""
        return self.back is not None and (self.how == "KILL" or self.code == 0)


class Restarts:
    """One restart at a time, at random; the first of each kind is spared after the first quarter.

    So each kind has a process that is watched for three quarters of the run, while leaders and
    partners still change around it.
    """

    def __init__(
        self, cluster: Cluster, rng: random.Random, *, every: float, began: float, spare: float
    ) -> None:
        self._cluster = cluster
        self._rng = rng
        self._every = every
        self._began = began
        self._spare = spare
        self.done: list[Restart] = []

    async def run(self, stop: asyncio.Event) -> None:
        """Until told to stop, or until one does not come back; what has begun is finished."""
        for kind, how in self._cards():
            pause = self._every * self._rng.uniform(0.6, 1.4)
            try:
                await asyncio.wait_for(stop.wait(), pause)
                return
            except TimeoutError:
                component = self._victim(kind)
                if component is not None and not await self._restart(component, how):
                    return

    def overlap(self, kind: str, since: float) -> bool:
        """Whether a process of that kind went or came since then (monotonic seconds)."""
        started = since - self._began
        return any(
            restart.name.startswith(kind)
            and (restart.back is None or restart.back + SETTLE_SECONDS > started)
            for restart in self.done
        )

    def ready_since(self) -> dict[tuple[str, int], float]:
        """When each later life began to work; until then it loads, and says nothing of growth."""
        return {(r.name, r.pid): r.back if r.back is not None else math.inf for r in self.done}

    def printable(self) -> list[dict[str, Any]]:
        """For the report."""
        return [{**asdict(restart), "clean": restart.clean} for restart in self.done]

    def _cards(self) -> Iterator[tuple[str, str]]:
        while True:
            yield from self._rng.sample(DECK, len(DECK))

    def _victim(self, kind: str) -> Component | None:
        names = [c for c in self._cluster.components if c.name.startswith(kind)]
        if self._now() > self._spare:
            names = names[1:]
        return self._rng.choice(names) if names else None

    async def _restart(self, component: Component, how: str) -> bool:
        """Whether it came back."""

        def ready() -> Awaitable[bool] | bool:
            return asyncio.to_thread(component.ready)

        restart = Restart(component.name, how, self._now())
        self.done.append(restart)
        process = component.process
        if how == "KILL":
            await asyncio.to_thread(process.kill9)
            restart.code = -signal.SIGKILL
        else:
            restart.code = await asyncio.to_thread(process.stop, LEAVE_SECONDS)
        restart.gone = self._now()
        await asyncio.sleep(self._rng.uniform(*AWAY_SECONDS))
        process.start()
        restart.pid = process.pid
        try:
            await eventually_async(ready, within=READY_SECONDS, every=0.25)
        except (AssertionError, RuntimeError) as error:  # not ready in time; died again
            restart.trouble = str(error)
            return False
        restart.back = self._now()
        return True

    def _now(self) -> float:
        return round(time.monotonic() - self._began, 2)
