"""The days and weeks that the rules are tried on."""

from __future__ import annotations

from typing import Final

import numpy as np

from allocator.scaling.observation import Bounds
from allocator.simulation.calls import Floats, Lengths, Rate, by_hour, each_day, with_bursts
from allocator.simulation.scenario import Scenario

CALL: Final = Lengths(mean=180.0, spread=0.9, tail=0.05)
"""About 205 s on average: some hang up at once, a few talk for an hour."""
MEAN: Final = 205.0
NIGHT_AND_DAY: Final = (
    (0, 0.08), (4, 0.04), (6, 0.1), (8, 0.6), (9.5, 1.0), (12, 0.8), (13, 0.75), (15, 0.95),
    (17, 0.7), (19, 0.4), (22, 0.15), (24, 0.08),
)  # fmt: skip


def _carrying(calls: float) -> Rate:
    """A day with so many calls at once at its peak."""
    return by_hour(*((hour, share * calls / MEAN) for hour, share in NIGHT_AND_DAY))


def _steady(calls: float) -> Rate:
    return by_hour((0, calls / MEAN), (24, calls / MEAN))


def _office_hours(times: Floats) -> Floats:
    """A call every ten minutes from 9 to 12 and from 13 to 17, now and then one at night."""
    hour = times / 3600.0 % 24.0
    works = ((hour >= 9) & (hour < 12)) | ((hour >= 13) & (hour < 17))
    return np.where(works, 1 / 600.0, 1 / 14_400.0)


SCENARIOS: Final = (
    Scenario(
        "quiet",
        "a quiet line: a call every ten minutes, day and night",
        _steady(MEAN / 600.0),
        CALL,
        slots=4,
        start_workers=1,
    ),
    Scenario("day", "a call centre's day, 150 calls at its peak", _carrying(150), CALL),
    Scenario(
        "week",
        "a call centre's week, 60 calls at its peak",
        each_day(_carrying(60), weekend=0.25),
        CALL,
        seconds=7 * 86_400.0,
        look_seconds=30.0,
    ),
    Scenario(
        "incident",
        "mass incidents: from 20 calls at once to 200 within minutes, three times",
        with_bursts(_steady(20), 1.2, at=(6.2, 13.7, 20.1), fade=600.0),
        CALL,
        start_workers=4,
    ),
    Scenario(
        "spiky",
        "one call a worker, 15 at once by day, a spike every two hours",
        with_bursts(
            _carrying(15), 0.1, at=tuple(1.3 + 2.0 * spike for spike in range(11)), fade=240.0
        ),
        CALL,
        slots=1,
        startup_seconds=30.0,
        start_workers=4,
    ),
    Scenario(
        "team",
        "a small team: office hours, hardly a call at night, down to zero",
        _office_hours,
        CALL,
        slots=4,
        bounds=Bounds(0, 20),
        start_workers=1,
    ),
    Scenario(
        "slow",
        "a call centre's day with workers that need five minutes to start",
        _carrying(150),
        CALL,
        startup_seconds=300.0,
    ),
    Scenario(
        "failing",
        "a call centre's day with workers that fail every two hours",
        _carrying(150),
        CALL,
        failures=0.5,
    ),
    Scenario(
        "morning",
        "from 4 calls at once in the night to 200 within half an hour",
        by_hour((0, 4 / MEAN), (5, 4 / MEAN), (5.5, 200 / MEAN), (8, 180 / MEAN)),
        CALL,
        seconds=8 * 3600.0,
    ),
    Scenario(
        "large",
        "a day with 100,000 calls at once at its peak",
        by_hour(*((hour, share * 106_000 / 900.0) for hour, share in NIGHT_AND_DAY)),
        Lengths(mean=840.0, spread=0.9, tail=0.05),
        slots=256,
        bounds=Bounds(1, 1000),
        start_workers=40,
    ),
)


def named(name: str) -> Scenario:
    """One of them.

    Raises:
        KeyError: there is none of that name.
    """
    return {scenario.name: scenario for scenario in SCENARIOS}[name]
