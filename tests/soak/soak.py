"""One soak, from the references to the last look at what is left."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.servers.choose import Server
from tests.soak import aftermath
from tests.soak.aftermath import Check
from tests.soak.callers import Line
from tests.soak.crowd import Crowd
from tests.soak.options import SLOTS, Options
from tests.soak.restarts import Restarts
from tests.soak.sampler import Sampler
from tests.soak.speech import heard_alone
from tests.support.cluster import Cluster

RESULT_EXPIRES: Final = 120
"""Seconds; short, so that results reach the number at which they stay."""

Tell = Callable[[str, float], None]
"""Told what goes on and how far it is, 0 to 1."""


@dataclass(slots=True)
class Soak:
    """Runs it; whatever ends :meth:`run`, what was measured until then is here.

    Attributes:
        stop: set it to let no more callers come: the rest follows at once.
        churn: when callers began to come and when no more came, seconds; None: not begun.
        checks: of the time after, and of the whole.
    """

    options: Options
    cluster: Cluster
    rabbitmq: Server
    store: Server
    tell: Tell
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    churn: tuple[float, float] | None = None
    checks: list[Check] = field(default_factory=list)
    restarts: Restarts = field(init=False)
    crowd: Crowd = field(init=False)
    sampler: Sampler = field(init=False)
    _began: float = 0.0

    async def run(self) -> None:
        """References, churn for the time asked for or until ``stop``, the time after."""
        gateways = [c.port for c in self.cluster.components if c.name.startswith("gateway")]
        urls = [f"http://127.0.0.1:{port}" for port in gateways]
        speeches = await heard_alone(
            urls, lambda known, of: self.tell(f"references {known}/{of}", known / of)
        )
        self._prepare(Line(gateways, speeches))
        try:
            async with self._sampling():
                await self._churn()
                self.tell("what is left", 1.0)
                self.checks += await aftermath.checks(
                    self.cluster,
                    self.sampler,
                    orphans=self.restarts.overlap("gateway", self._began),
                    ran=self.churn[1] if self.churn else 0.0,
                )
        except Exception as error:  # then this is the finding, and the rest is still worth a look
            self.checks.append(Check("the soak ran to its end", False, repr(error)))

    @property
    def interrupted(self) -> bool:
        """Whether it was ended before its time."""
        return self.churn is None or self.churn[1] < self.options.seconds - 1

    def _prepare(self, line: Line) -> None:
        self._began = began = time.monotonic()
        options = self.options
        self.restarts = Restarts(
            self.cluster,
            random.Random(options.seed),
            every=options.between_restarts,
            began=began,
            spare=options.seconds / 4,
        )
        self.crowd = Crowd(
            line, self.restarts, sessions=options.sessions, seed=options.seed, began=began
        )
        self.sampler = Sampler(
            self.cluster, self.rabbitmq, self.store, lambda: self.crowd.live, began=began
        )
        self.churn = (0.0, 0.0)

    async def _churn(self) -> None:
        seconds = self.options.seconds
        async with asyncio.TaskGroup() as group:
            group.create_task(self.crowd.run(self.stop), name="crowd")
            group.create_task(self.restarts.run(self.stop), name="restarts")
            while (spent := self._spent()) < seconds and not self.stop.is_set():
                self.tell(self._state(seconds - spent), spent / seconds)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self.stop.wait(), min(1.0, seconds - spent))
            self.stop.set()
            self.tell("the last callers finish", 1.0)

    def _spent(self) -> float:
        spent = time.monotonic() - self._began
        self.churn = (0.0, spent)
        return spent

    def _state(self, left: float) -> str:
        minutes, seconds = divmod(round(left), 60)
        return (
            f"{minutes}:{seconds:02} left: {self.crowd.live} callers,"
            f" {self.crowd.ended.total()} calls ended well, {self.crowd.failed} did not,"
            f" {len(self.restarts.done)} restarts"
        )

    @contextlib.asynccontextmanager
    async def _sampling(self) -> AsyncIterator[None]:
        sampler, options = self.sampler, self.options
        looks = [
            asyncio.create_task(sampler.every(options.sample_every, sampler.sample)),
            asyncio.create_task(sampler.every(options.between_censuses, sampler.census)),
        ]
        try:
            yield
        finally:
            for look in looks:
                look.cancel()
            await asyncio.gather(*looks, return_exceptions=True)


def build(options: Options, rabbitmq: Server, store: Server, folder: Path) -> Cluster:
    """Every component of the system, started; logs go to ``folder``."""
    own = {"ASR_RESULT_EXPIRES": str(RESULT_EXPIRES)}
    cluster = Cluster(rabbitmq.url, store.url, folder, own)
    for index in range(2):
        cluster.allocator(f"allocator-{index}")
    for index in range(options.monitors):
        cluster.monitor(f"monitor-{index}")
    for index in range(options.workers):
        cluster.worker(f"worker-english-{index}", slots=SLOTS)
    for index in range(2):
        cluster.gateway(f"gateway-{index}")
    return cluster
