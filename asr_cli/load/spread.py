"""Durations, as many as come: average, deviation, tails, in bounded memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from hdrh.histogram import HdrHistogram

_MICRO: Final = 1_000_000
_LONGEST: Final = 3600
"""Seconds; what took longer counts as so long."""


@dataclass(frozen=True, slots=True)
class Summary:
    """What is told of durations, seconds; percentiles to three digits.

    Attributes:
        within: share of them not farther than one standard deviation from the average.
    """

    count: int
    average: float
    stdev: float
    within: float
    p50: float
    p75: float
    p90: float
    p99: float
    max: float


class Spread:
    """A histogram whose buckets are a thousandth of their value wide."""

    def __init__(self) -> None:
        self._histogram = HdrHistogram(1, _LONGEST * _MICRO, 3)
        self._sum = 0.0
        self._squares = 0.0
        self._max = 0.0

    def __len__(self) -> int:
        return int(self._histogram.get_total_count())

    def add(self, seconds: float) -> None:
        """Note one; one that lies before zero (the clocks of two events) counts as zero."""
        seconds = min(max(seconds, 0.0), _LONGEST)
        self._histogram.record_value(max(round(seconds * _MICRO), 1))
        self._sum += seconds
        self._squares += seconds * seconds
        self._max = max(self._max, seconds)

    def percentile(self, percent: float) -> float:
        """Seconds that so many per cent do not exceed; 0 if there is none."""
        if not len(self):
            return 0.0
        # A bucket's upper edge may lie above the longest that was seen.
        value = float(self._histogram.get_value_at_percentile(percent)) / _MICRO
        return min(value, self._max)

    def summary(self) -> Summary | None:
        """All of it; None if there is none."""
        count = len(self)
        if not count:
            return None
        average = self._sum / count
        stdev = max(self._squares / count - average * average, 0.0) ** 0.5
        near = sum(
            int(item.count_added_in_this_iter_step)
            for item in self._histogram.get_recorded_iterator()
            if abs(item.value_iterated_to / _MICRO - average) <= stdev + average / 1000
        )
        p50, p75, p90, p99 = (self.percentile(p) for p in (50, 75, 90, 99))
        return Summary(count, average, stdev, near / count, p50, p75, p90, p99, self._max)
