"""What one simulated stretch of time is made of."""

from __future__ import annotations

from dataclasses import dataclass, field

from allocator.scaling.observation import Bounds
from allocator.simulation.calls import Exponential, Lengths, Rate


@dataclass(frozen=True, slots=True)
class Scenario:
    """Callers, workers, and how often the loop looks; times in seconds.

    Attributes:
        name, title: for the command line, for people.
        rate, lengths: the callers.
        seconds: how long it goes on, the warm-up included.
        slots: of a worker.
        bounds: between how many workers; the maximum is meant never to be reached.
        look_seconds: `CHECK_INTERVAL`.
        startup_seconds, startup_spread: mean, and standard deviation of the logarithm, of the time
            from the order of a worker to its first free slot.
        failures: of a worker in an hour; each restarts at once.
        start_workers: ready when it begins.
        warm_up: not measured.
        start_hour: the hour of the week at which it begins.
        pause_seconds: a draining worker hands a call over within so long, at a pause of speech.
    """

    name: str
    title: str
    rate: Rate
    lengths: Lengths | Exponential
    seconds: float = 86_400.0
    slots: int = 8
    bounds: Bounds = field(default_factory=lambda: Bounds(1, 400))
    look_seconds: float = 10.0
    startup_seconds: float = 60.0
    startup_spread: float = 0.2
    failures: float = 0.0
    start_workers: int = 2
    warm_up: float = 1800.0
    start_hour: float = 0.0
    pause_seconds: float = 8.0
