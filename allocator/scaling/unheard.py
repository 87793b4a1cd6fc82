"""Workers that should be there and that nobody has heard of: unknown, not idle."""

from __future__ import annotations

from typing import Final

from allocator.scaling.observation import Observation

PATIENCE: Final = 60.0
"""Seconds. A worker that lives registers again within a few, also with a Redis that came back
empty; one that still has not is starting, and carries nothing."""


class Unheard:
    """Of one model, over looks. Times are seconds of the observer's monotonic clock."""

    def __init__(self) -> None:
        self._since: dict[int, float] = {}

    def look(self, seen: Observation) -> int:
        """The number of workers below which the workload is not to be shrunk yet."""
        heard = {worker.ordinal for worker in seen.workers}
        self._since = {
            ordinal: self._since.get(ordinal, seen.at)
            for ordinal in range(seen.replicas)
            if ordinal not in heard
        }
        fresh = (ordinal for ordinal, since in self._since.items() if seen.at - since < PATIENCE)
        return max(fresh, default=-1) + 1
