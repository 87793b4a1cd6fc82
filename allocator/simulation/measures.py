"""What a run came to."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from typing import Final

import numpy as np

WAITED_SECONDS: Final = 1.0
"""Who waited longer for a first slot counts as having waited."""


@dataclass(frozen=True, slots=True)
class Moment:
    """One look, for the pictures: calls carried, calls waiting, slots paid for."""

    at: float
    busy: int
    waiting: int
    slots: int


@dataclass(slots=True)
class Measures:
    """Filled by the engine, from the end of the warm-up on.

    Attributes:
        arrived: calls.
        waits: seconds of each call that had to wait for its first slot.
        slot_seconds: that were paid for, from the start of a worker to its end.
        interrupted: calls whose worker was removed under them.
        failed_over: calls whose worker failed.
        handed_over: calls that a draining worker gave away in a pause of speech.
        stalled: moved calls that waited longer than a second for their next slot.
        timeline: the looks.
    """

    arrived: int = 0
    waits: array[float] = field(default_factory=lambda: array("d"))
    slot_seconds: float = 0.0
    interrupted: int = 0
    failed_over: int = 0
    handed_over: int = 0
    stalled: int = 0
    timeline: list[Moment] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Result:
    """One rule on one scenario; waits in seconds."""

    scenario: str
    rule: str
    variant: str
    calls: int
    waited: float
    p99: float
    mean_wait: float
    longest_wait: float
    slot_hours: float
    interruptions: int
    failovers: int
    hand_overs: int
    stalled: int
    peak_calls: int
    peak_slots: int
    seconds: float


def summary(
    measures: Measures, *, scenario: str, rule: str, variant: str, seconds: float
) -> Result:
    """The figures of a run that took ``seconds`` to simulate."""
    waits = np.zeros(measures.arrived)
    known = np.frombuffer(measures.waits) if measures.waits else np.zeros(0)
    waits[: len(known)] = known
    some = waits if len(waits) else np.zeros(1)
    return Result(
        scenario=scenario,
        rule=rule,
        variant=variant,
        calls=measures.arrived,
        waited=float((some > WAITED_SECONDS).mean()),
        p99=float(np.quantile(some, 0.99)),
        mean_wait=float(some.mean()),
        longest_wait=float(some.max()),
        slot_hours=measures.slot_seconds / 3600.0,
        interruptions=measures.interrupted,
        failovers=measures.failed_over,
        hand_overs=measures.handed_over,
        stalled=measures.stalled,
        peak_calls=max((each.busy for each in measures.timeline), default=0),
        peak_slots=max((each.slots for each in measures.timeline), default=0),
        seconds=seconds,
    )
