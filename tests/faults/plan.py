"""In which order, and which beside which, the rounds are played."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from tests.faults.case import Case
from tests.faults.record import Record
from tests.faults.round import SPREAD


@dataclass(slots=True)
class Job:
    """Rounds of one case, played by one world."""

    case: Case
    numbers: deque[int]

    @property
    def seconds(self) -> float:
        """What its calls take."""
        return len(self.numbers) * (self.case.seconds + SPREAD)


@dataclass(slots=True)
class Phase:
    """Jobs that share so many worlds."""

    worlds: int
    jobs: deque[Job]

    def next(self, *, first: bool) -> Job:
        """The first, or the last, of those that nobody has begun."""
        return self.jobs.popleft() if first else self.jobs.pop()

    @property
    def seconds(self) -> float:
        """What its calls take."""
        return sum(job.seconds for job in self.jobs) / self.worlds


def planned(cases: Sequence[Case], rounds: int, record: Record, worlds: int) -> list[Phase]:
    """What is still to be played: first, one by one, what needs the machine for itself."""
    jobs = []
    for case in cases:
        done = record.done(case.name)
        if left := deque(number for number in range(rounds) if number not in done):
            jobs.append(Job(case, left))
    if worlds == 1:
        return [Phase(1, deque(jobs))] if jobs else []
    alone = [job for job in jobs if job.case.alone]
    # One world begins with the first, the other with the last.
    beside = sorted(
        (job for job in jobs if not job.case.alone), key=lambda job: not job.case.deadly
    )
    return [
        Phase(min(most, len(some)), deque(some))
        for most, some in ((1, alone), (worlds, beside))
        if some
    ]
