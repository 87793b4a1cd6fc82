"""What is known of the callers: how often they come, how long they talk, what is coming."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import Final

from allocator.scaling.chances import poisson_tail
from allocator.scaling.observation import Observation

FAST_SECONDS: Final = 120.0
SLOW_SECONDS: Final = 600.0
"""Two averages of the rate. While it climbs steadily each lags by its own length, so their
difference tells the slope."""
SURPRISE: Final = 1e-4
"""So unlikely a count is no chance but a burst. (At 1e-3 a day of looks has a false one or two, and
where workers start slowly each orders dozens.)"""
BURST_LOOKS: Final = 3
"""A burst is looked for in the last one, two and three looks."""
SIGNIFICANT: Final = 3.0
"""A slope counts from so many standard deviations on."""
REMEMBERED_CALLS: Final = 300.0
"""About so many of the last calls say how long a call is."""
UNKNOWN_CALLS: Final = 5.0
"""The first mean is made of short calls, as long ones have not ended yet: so many endless ones are
counted in."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """What to expect.

    Attributes:
        rate: arrivals a second, as they should be a horizon from now.
        rate_error: its standard deviation.
        burst: whether the last looks brought more than chance explains.
        mean_seconds: of a call; None while none has ended.
        staying: the part of today's calls that is still there after the horizon.
        new: arrivals until then that are still there then.
        new_error: the standard deviation of ``new`` that comes from not knowing the rate.
    """

    rate: float
    rate_error: float
    burst: bool
    mean_seconds: float | None
    staying: float
    new: float
    new_error: float


class Average:
    """An exponentially weighted mean of a rate, right from the first second on."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._sum = 0.0
        self._weight = 0.0

    def add(self, count: float, seconds: float) -> None:
        """``count`` events came in the last ``seconds``."""
        fresh = -math.expm1(-seconds / self._seconds)
        self._sum += (count / seconds - self._sum) * fresh
        self._weight += (1.0 - self._weight) * fresh

    @property
    def rate(self) -> float:
        """Events a second."""
        return self._sum / self._weight if self._weight else 0.0

    @property
    def error(self) -> float:
        """The standard deviation of :attr:`rate` if events come independently of each other."""
        # Half the time constant is what an exponential window of that length is worth; one event
        # more than were seen, so that silence is not taken for certainty.
        worth = 2.0 * self._seconds * self._weight
        return math.sqrt(self.rate / worth) if worth else 0.0

    def raise_to(self, rate: float) -> None:
        """Forget that it was slower."""
        if rate > self.rate:
            self._sum = rate * self._weight


class Traffic:
    """Follows one model's counters from look to look."""

    def __init__(self) -> None:
        self._fast = Average(FAST_SECONDS)
        self._slow = Average(SLOW_SECONDS)
        self._looks: deque[tuple[int, float]] = deque(maxlen=BURST_LOOKS)
        self._last: Observation | None = None
        self._talked = 0.0
        self._ended = 0.0
        self.look_seconds = 0.0
        """Between the last two looks."""
        self.quiet_since: float | None = None
        """The last look at which anybody called, talked or waited, or the first look of all."""

    def look(self, seen: Observation, horizon: float) -> Forecast:
        """Take the counters in; say what to expect ``horizon`` seconds from now."""
        arrived = self._count(seen)
        if arrived or seen.waiting or any(worker.busy for worker in seen.workers):
            self.quiet_since = seen.at
        expected = self._slow.rate
        if self.look_seconds > 0.0:
            self._fast.add(arrived, self.look_seconds)
            self._slow.add(arrived, self.look_seconds)
            self._looks.append((arrived, self.look_seconds))
        burst = self._burst(max(expected, 1.0 / SLOW_SECONDS))
        return self._forecast(horizon, burst=burst)

    def _count(self, seen: Observation) -> int:
        """Arrivals since the last look; remembers lengths."""
        last, self._last = self._last, seen
        if last is None:
            self.quiet_since = seen.at
            return 0
        self.look_seconds = max(0.0, seen.at - last.at)
        ended, talked = seen.ended - last.ended, seen.talked - last.talked
        if ended < 0 or talked < 0.0:
            ended, talked = seen.ended, seen.talked
        kept = math.exp(-ended / REMEMBERED_CALLS)
        self._ended = self._ended * kept + ended
        self._talked = self._talked * kept + talked
        arrived = seen.arrivals - last.arrivals
        return arrived if arrived >= 0 else seen.arrivals

    def _burst(self, expected: float) -> bool:
        """Whether any of the last looks, taken together, is a surprise; believes it if so."""
        count, seconds, burst = 0, 0.0, False
        for arrived, length in reversed(self._looks):
            count, seconds = count + arrived, seconds + length
            mean = max(expected, self._fast.rate) * seconds
            # Its own standard deviation is taken off: a surprise is the largest of many counts.
            if count > mean and poisson_tail(mean, count) < SURPRISE:
                burst = True
                self._fast.raise_to((count - math.sqrt(count)) / seconds)
        return burst

    def _forecast(self, horizon: float, *, burst: bool) -> Forecast:
        rate, error = self._fast.rate, self._fast.error
        slope = (rate - self._slow.rate) / (SLOW_SECONDS - FAST_SECONDS)
        if not burst and rate - self._slow.rate > SIGNIFICANT * error:
            rate += slope * (FAST_SECONDS + horizon)
        mean = self._talked / self._ended if self._ended else None
        staying, worth = 1.0, horizon
        if mean:
            known = self._ended / (self._ended + UNKNOWN_CALLS)
            left = math.exp(-horizon / mean)
            staying = known * left + (1.0 - known)
            worth = known * mean * (1.0 - left) + (1.0 - known) * horizon
        return Forecast(rate, error, burst, mean, staying, rate * worth, error * worth)
