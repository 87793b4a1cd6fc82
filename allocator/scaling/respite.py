"""How long a workload that did not answer is left alone."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from allocator.scaling.scaled import WorkloadDown
from asr_tasks.transport.backoff import Backoff

LONGEST: Final = 30.0
"""Seconds between two tries, however often it failed; a longer `CHECK_INTERVAL` counts instead."""

LONGEST_ASKED: Final = 60.0
"""Seconds; who asks for more (Retry-After) is asked again then. Tries that fail are counted, and
the alert `AsrScalingFails` would not see any that came less often."""


class Respite:
    """Of one model's workload, on this process's monotonic clock.

    Args:
        interval: seconds between looks, and the first wait about.
        clock: monotonic seconds.
    """

    def __init__(self, interval: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._backoff = Backoff(interval, max(LONGEST, interval))
        self._clock = clock
        self._until = float("-inf")

    @property
    def over(self) -> bool:
        """Whether it may be asked now."""
        return self._clock() >= self._until

    def failed(self, error: WorkloadDown) -> float:
        """Leave it alone; returns for how many seconds: never less than it asked for, in reason."""
        seconds = max(self._backoff.next(), min(error.retry_after, LONGEST_ASKED))
        self._until = self._clock() + seconds
        return seconds

    def answered(self) -> None:
        """The next failure is the first one again."""
        self._backoff.reset()
