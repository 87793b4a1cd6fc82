"""What a scaling policy is told, and what it answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

Condition = Literal["starting", "idle", "busy", "draining"]


@dataclass(frozen=True, slots=True)
class WorkerSeen:
    """One worker of a model.

    Attributes:
        ordinal: its place in the StatefulSet; the highest leaves first.
        condition: `starting` while its model loads (it has no slots yet), `draining` also when
            cordoned: its free slots are not offered.
        slots: how many streams it can carry.
        busy: how many it carries.
    """

    ordinal: int
    condition: Condition
    slots: int
    busy: int


@dataclass(frozen=True, slots=True)
class Observation:
    """One look at one model's fleet.

    Attributes:
        model: its name in the catalogue.
        at: when, in seconds of the observer's monotonic clock.
        replicas: how many workers the workload is told to run.
        slots_per_worker: what a worker that is still starting will offer.
        workers: all that exist, the starting and the draining ones too.
        waiting: sessions that have no worker.
        arrivals: sessions opened since this counter began (it only grows; a smaller value than the
            last one means that it began again).
        talked: slot-seconds that ended sessions have used, and `ended` how many of them there are;
            both only grow, like `arrivals`. Not those that gave up before a worker began with them.
        hour: the hour of the week, local time, 0.0 (Monday, midnight) up to 168.0; for schedules
            only.
        startup: seconds that a worker was seen to need from the order to its first free slot; None
            while nobody has seen one.
    """

    model: str
    at: float
    replicas: int
    slots_per_worker: int
    workers: tuple[WorkerSeen, ...]
    waiting: int
    arrivals: int
    talked: float
    ended: int
    hour: float = 0.0
    startup: float | None = None


@dataclass(frozen=True, slots=True)
class Bounds:
    """Between how many workers a model may have.

    Attributes:
        minimum: never fewer; 0 lets the model go to zero while nobody calls.
        maximum: never more.
    """

    minimum: int
    maximum: int

    def clamp(self, replicas: int) -> int:
        """The nearest number within them."""
        return max(self.minimum, min(self.maximum, replicas))


@dataclass(frozen=True, slots=True)
class Plan:
    """What a policy wants.

    Attributes:
        replicas: workers in all, within the bounds.
        reason: one sentence for people: which rule decided, on which figures.
        figures: what the sentence rests on (`busy`, `forecast`, `chance`, `floor`, …), for metrics
            and `asr scaling explain`.
    """

    replicas: int
    reason: str
    figures: Mapping[str, float] = field(default_factory=dict)


class Policy(Protocol):
    """Decides how many workers one model should have. One instance a model; it may remember."""

    def plan(self, seen: Observation) -> Plan:
        """Say how many. Never raises; called every `CHECK_INTERVAL` with a later `seen.at`."""
        ...
