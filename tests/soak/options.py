"""What a soak can be told; everything else follows from it."""

from __future__ import annotations

import argparse
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

LONGEST_MINUTES: Final = 24 * 60.0
MOST_SESSIONS: Final = 64
SLOTS: Final = 8
"""Of each worker."""
RESTARTS: Final = 24
"""Restarts in a run, about, unless the time between them is given; an hour: one in 150 s."""


@dataclass(frozen=True, slots=True)
class Options:
    """Counts, and times in seconds unless the name says otherwise."""

    minutes: float = 60.0
    sessions: int = 8
    workers: int = 3
    monitors: int = 2
    seed: int = 1
    sample_every: float = 5.0
    census_every: float = 0.0
    restart_every: float = 0.0
    out: Path = Path("bench-results")

    @property
    def seconds(self) -> float:
        """How long callers come and go."""
        return self.minutes * 60

    @property
    def between_restarts(self) -> float:
        """From one restart's end to the next one, on average."""
        return self.restart_every or max(10.0, self.seconds / RESTARTS)

    @property
    def between_censuses(self) -> float:
        """Seldom: each starts the broker's tool, a program of its own, twice."""
        return self.census_every or min(30.0, max(10.0, self.seconds / 20))

    @property
    def shortest_series(self) -> float:
        """A process that was watched for less says nothing about growth."""
        return max(60.0, self.seconds / 5)

    def printable(self) -> dict[str, Any]:
        """For the report."""
        return asdict(self) | {"out": str(self.out), "between_restarts": self.between_restarts}


def parse(arguments: list[str] | None = None) -> Options:
    """From the command line; says what is wrong and exits, as argparse does."""
    default = Options()
    parser = argparse.ArgumentParser(
        prog="python -m tests.soak",
        description=__doc__,
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("--minutes", type=float, default=default.minutes, help="how long callers come and go")
    add("--sessions", type=int, default=default.sessions, help="callers at a time, about")
    add("--workers", type=int, choices=(2, 3), default=default.workers, help="of eight slots each")
    add("--monitors", type=int, choices=(1, 2), default=default.monitors, help="one of them leads")
    add("--seed", type=int, default=default.seed, help="of every random choice")
    add("--sample-every", type=float, default=default.sample_every, help="s between samples")
    add("--census-every", type=float, default=0.0, help="s between lists of all; 0: 10 to 30")
    add("--restart-every", type=float, default=0.0, help="s between restarts; 0: run / 24")
    add("--out", type=Path, default=default.out, help="folder of soak.json and soak.png")
    options = Options(**vars(parser.parse_args(arguments)))
    if not 0.5 <= options.minutes <= LONGEST_MINUTES:
        parser.error(f"--minutes must be 0.5 to {LONGEST_MINUTES:g}")
    if not 1 <= options.sessions <= min(MOST_SESSIONS, SLOTS * (options.workers - 1)):
        parser.error("--sessions must fit the slots that are left while one worker is away")
    if options.sample_every < 1 or min(options.census_every, options.restart_every) < 0:
        parser.error("--sample-every must be at least 1, the others not negative")
    return options
