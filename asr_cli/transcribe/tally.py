"""How far a run is, how fast it goes and how long it will take; pure arithmetic."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from asr_tasks.contracts.jobs import Job, JobState


@dataclass(slots=True)
class Tally:
    """Of all recordings of a run.

    Attributes:
        total: recordings.
        over: of them, done or failed.
        clock: seconds, monotonic.
    """

    total: int
    clock: Callable[[], float] = time.monotonic
    over: int = 0
    _jobs: dict[str, tuple[float, float]] = field(default_factory=dict)
    """Of each job that was seen: seconds of its recording, as far as known, and heard."""
    _before: float = 0.0
    """Seconds that were heard before this run looked."""
    _began: float | None = None

    def see(self, job: Job) -> None:
        """It is so far."""
        if job.id not in self._jobs:
            self._before += job.heard
        if job.state is JobState.RUNNING and self._began is None:
            self._began = self.clock()
        self._jobs[job.id] = (max(job.duration, job.heard), job.heard)

    def drop(self, job: str) -> None:
        """It failed: nothing more of it will be heard."""
        _, heard = self._jobs.get(job, (0.0, 0.0))
        self._jobs[job] = (heard, heard)

    @property
    def heard(self) -> float:
        """Seconds of audio, those before this run too."""
        return sum(heard for _, heard in self._jobs.values())

    @property
    def duration(self) -> float:
        """Seconds of audio; recordings nobody has looked at yet count as long as the others."""
        known = [duration for duration, _ in self._jobs.values() if duration > 0]
        if not known:
            return 0.0
        return sum(known) / len(known) * max(self.total, len(known))

    @property
    def speed(self) -> float:
        """Times real time, since this run saw work being done; 0: not known yet."""
        if self._began is None:
            return 0.0
        took = self.clock() - self._began
        return (self.heard - self._before) / took if took > 0 else 0.0

    @property
    def left(self) -> float | None:
        """Seconds until all is done; None: not known yet."""
        return left(self.duration, self.heard, self.speed)


def speed(job: Job) -> float:
    """Times real time; 0: not known yet."""
    return job.heard / job.elapsed if job.elapsed > 0 else 0.0


def left(duration: float, heard: float, speed: float) -> float | None:
    """Seconds until the rest is heard at this speed; None: not known."""
    return max(duration - heard, 0.0) / speed if speed > 0 and duration > 0 else None


def span(seconds: float | None) -> str:
    """``1:02:03`` or ``2:03``; ``–:––`` where it is not known."""
    if seconds is None:
        return "–:––"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def times(speed: float) -> str:
    """``87×``, ``3.4×``; nothing where it is not known."""
    if speed <= 0:
        return ""
    return f"{speed:.0f}×" if speed >= 10 else f"{speed:.1f}×"
