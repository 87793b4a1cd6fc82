"""Made-up callers: when they come and how long they talk."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Rate = Callable[[Floats], Floats]
"""Arrivals a second at these times (seconds since the scenario began)."""

LONGEST_CALL: Final = 4 * 3600.0
STEP: Final = 1.0
"""Seconds for which the rate is taken to stand still."""


@dataclass(frozen=True, slots=True)
class Lengths:
    """Lognormal lengths with a Pareto tail.

    Attributes:
        mean: of the lognormal part, in seconds.
        spread: standard deviation of its logarithm; 0 makes all calls alike.
        tail: the part of the calls that is Pareto instead, from ``mean`` up.
        exponent: of the Pareto part; below 2 its variance has no bound but the longest call.
    """

    mean: float
    spread: float = 0.9
    tail: float = 0.0
    exponent: float = 1.6

    def draw(self, random: np.random.Generator, count: int) -> Floats:
        """So many lengths in seconds, float64[count]."""
        middle = math.log(self.mean) - self.spread**2 / 2
        lengths = random.lognormal(middle, self.spread, count)
        if self.tail:
            long = random.random(count) < self.tail
            lengths[long] = self.mean * (1 + random.pareto(self.exponent, int(long.sum())))
        lengths.clip(1.0, LONGEST_CALL, out=lengths)
        return lengths


@dataclass(frozen=True, slots=True)
class Exponential:
    """Lengths without memory, as Erlang's formula assumes."""

    mean: float

    def draw(self, random: np.random.Generator, count: int) -> Floats:
        """So many lengths in seconds, float64[count]."""
        return random.exponential(self.mean, count)


@dataclass(frozen=True, slots=True)
class Calls:
    """All calls of one run, in order of arrival.

    Attributes:
        arrivals: seconds since the start, float64[N], ascending.
        lengths: seconds on the line, float64[N].
    """

    arrivals: Floats
    lengths: Floats


def draw(rate: Rate, lengths: Lengths | Exponential, seconds: float, seed: int) -> Calls:
    """A Poisson process whose rate changes with time; the same for the same seed."""
    random = np.random.default_rng([seed, 0])
    steps = np.arange(0.0, seconds, STEP)
    counts = random.poisson(np.maximum(rate(steps), 0.0) * STEP)
    arrivals = np.repeat(steps, counts) + random.random(int(counts.sum())) * STEP
    arrivals.sort()
    return Calls(arrivals, lengths.draw(random, len(arrivals)))


def by_hour(*points: tuple[float, float]) -> Rate:
    """Straight lines between (hour, arrivals a second); constant before and after."""
    hours, rates = zip(*points, strict=True)

    def rate(times: Floats) -> Floats:
        between: Floats = np.interp(times / 3600.0, hours, rates)
        return between

    return rate


def each_day(weekday: Rate, weekend: float) -> Rate:
    """The same every day from Monday on; Saturday and Sunday ``weekend`` times as much."""

    def rate(times: Floats) -> Floats:
        day = np.floor(times / 86_400.0) % 7
        return weekday(times % 86_400.0) * np.where(day >= 5, weekend, 1.0)

    return rate


def with_bursts(base: Rate, height: float, *, at: tuple[float, ...], fade: float) -> Rate:
    """``height`` more arrivals a second at these hours, fading with ``fade`` seconds."""

    def rate(times: Floats) -> Floats:
        total = base(times)
        for hour in at:
            since = times - hour * 3600.0
            total = total + np.where(since >= 0, height * np.exp(-np.maximum(since, 0) / fade), 0)
        return total

    return rate
