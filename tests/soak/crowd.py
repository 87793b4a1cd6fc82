"""The callers together: so many lines, on each one call after another, of one kind or another."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

from tests.soak.callers import Line, cut, silence, whole
from tests.soak.restarts import Restarts
from tests.soak.strangers import Disturbed, cancel, hang_up, nonsense

KINDS: Final[dict[str, tuple[Callable[[Line, random.Random], Awaitable[str]], int]]] = {
    "whole": (whole, 40),
    "cut and resumed": (cut, 20),
    "hangs up": (hang_up, 14),
    "cancels": (cancel, 8),
    "silent": (silence, 8),
    "makes no sense": (nonsense, 10),
}
"""Each kind of caller and its share in a hundred."""
TRANSCRIBED: Final = ("whole", "cut and resumed")
CALL_SECONDS: Final = 300.0
"""No call may take longer: the longest is spoken in 50 s, and waits at most 60 for a worker."""
PAUSE_SECONDS: Final = 3.0
KEPT_FAILURES: Final = 100


@dataclass(frozen=True, slots=True)
class Failure:
    """A call that did not end as it should."""

    kind: str
    line: int
    at: float
    seconds: float
    what: str


class Crowd:
    """Keeps about ``sessions`` callers on the line until told to stop.

    Attributes:
        live: callers that are on the line now.
        ended: calls that ended as they should, by kind.
        disturbed: strangers whose gateway went away under them.
        failures: the first hundred of the others.
        failed: how many others.
    """

    def __init__(
        self, line: Line, restarts: Restarts, *, sessions: int, seed: int, began: float
    ) -> None:
        self._line = line
        self._restarts = restarts
        self._sessions = sessions
        self._seed = seed
        self._began = began
        self.live = 0
        self.ended: Counter[str] = Counter()
        self.disturbed: Counter[str] = Counter()
        self.failures: list[Failure] = []
        self.failed = 0

    async def run(self, stop: asyncio.Event) -> None:
        """Until told to stop; calls that have begun are finished."""
        async with asyncio.TaskGroup() as group:
            for number in range(self._sessions):
                group.create_task(self._keep_calling(number, stop), name=f"line {number}")

    def printable(self) -> dict[str, Any]:
        """For the report."""
        return {
            "ended_well": dict(self.ended),
            "disturbed_by_a_gateway_s_restart": dict(self.disturbed),
            "failed": self.failed,
            "failures": [
                {name: getattr(failure, name) for name in Failure.__slots__}
                for failure in self.failures
            ],
        }

    async def _keep_calling(self, number: int, stop: asyncio.Event) -> None:
        rng = random.Random(f"{self._seed}/{number}")
        kinds, shares = list(KINDS), [share for _, share in KINDS.values()]
        while not stop.is_set():
            try:
                await asyncio.wait_for(stop.wait(), rng.uniform(0, PAUSE_SECONDS))
            except TimeoutError:
                (kind,) = rng.choices(kinds, shares)
                await self._call(number, kind, rng)

    async def _call(self, number: int, kind: str, rng: random.Random) -> None:
        began = time.monotonic()
        self.live += 1
        try:
            async with asyncio.timeout(CALL_SECONDS):
                await KINDS[kind][0](self._line, rng)
            self.ended[kind] += 1
        except Disturbed as error:
            if self._restarts.overlap("gateway", began):
                self.disturbed[kind] += 1
            else:
                self._note(kind, number, began, error)
        except Exception as error:  # whatever a caller meets is a finding, and not the end
            self._note(kind, number, began, error)
        finally:
            self.live -= 1

    def _note(self, kind: str, number: int, began: float, error: Exception) -> None:
        self.failed += 1
        if len(self.failures) < KEPT_FAILURES:
            at, took = began - self._began, time.monotonic() - began
            what = f"{type(error).__name__}: {error}"
            self.failures.append(Failure(kind, number, round(at, 1), round(took, 1), what))
