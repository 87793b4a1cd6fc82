"""How long a worker needs from the order to its first free slot, as it was seen."""

from __future__ import annotations

from collections import deque
from typing import Final

from allocator.scaling.observation import Observation

REMEMBERED: Final = 8
"""Starts; the slowest of them counts: the next one may be as slow."""

LONGEST: Final = 1800.0
"""Seconds; whoever takes longer waits for a machine, or will never come."""


class Startup:
    """Of one model. Times are seconds of the observer's monotonic clock."""

    def __init__(self, seconds: float | None = None) -> None:
        self._seen: deque[float] = deque([seconds] if seconds else [], maxlen=REMEMBERED)
        self._ordered: dict[int, float] = {}

    @property
    def seconds(self) -> float | None:
        """What to reckon with; None: nobody has started yet."""
        return max(self._seen, default=None)

    def order(self, before: int, after: int, now: float) -> None:
        """The workload is told to run ``after`` workers in place of ``before``."""
        for ordinal in range(before, after):
            self._ordered.setdefault(ordinal, now)
        for ordinal in [one for one in self._ordered if one >= after]:
            del self._ordered[ordinal]

    def look(self, seen: Observation) -> bool:
        """Who is ready now? Returns whether another start was seen."""
        came = [
            worker.ordinal
            for worker in seen.workers
            if worker.ordinal in self._ordered and worker.condition in ("idle", "busy")
        ]
        for ordinal in came:
            took = seen.at - self._ordered.pop(ordinal)
            if took < LONGEST:
                self._seen.append(took)
        return bool(came)
