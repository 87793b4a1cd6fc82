"""What is said while the matrix is played."""

from __future__ import annotations

import time
from collections.abc import Sequence

from tests.faults.case import CASES
from tests.faults.plan import Phase
from tests.faults.record import Played
from tests.faults.round import SPREAD

OVERHEAD = 1.15
"""How much longer than its calls a round takes, until it is known from this run."""


class Progress:
    """Counts rounds, and how long the rest will take."""

    def __init__(self, phases: Sequence[Phase], known: int) -> None:
        """``known``: rounds that were played before."""
        self._phases = phases
        self._played = known
        self._total = known + sum(len(job.numbers) for p in phases for job in p.jobs)
        self._due = sum(phase.seconds for phase in phases)
        self._worlds = 1
        self._taken = self._planned = 0.0

    def phase(self, phase: Phase) -> None:
        """It begins."""
        self._worlds = phase.worlds
        print(f"{phase.worlds} world(s) for {len(phase.jobs)} case(s)", flush=True)

    def tell(self, played: Played) -> None:
        """A line for a round, more if something was wrong."""
        calls = CASES[played.case].seconds + SPREAD
        self._played += 1
        self._taken += played.seconds
        self._planned += calls
        self._due -= calls / self._worlds
        left = max(0.0, self._due) * max(OVERHEAD, self._taken / self._planned)
        print(
            f"{time.strftime('%H:%M:%S')} [{self._played}/{self._total}, {left / 60:.0f} min left] "
            + "\n    ".join(said(played)),
            flush=True,
        )


def said(played: Played) -> list[str]:
    """How a round went, and what was wrong with it."""
    outcome = played.outcome
    name = f"{played.case}, round {played.number}"
    if outcome.not_played:
        return [f"{name}: not played, because: {outcome.not_played}"]
    line = (
        f"{name} ({played.seconds:.1f} s): gap up to {max(outcome.gaps, default=0) * 1000:.0f} ms"
    )
    if outcome.resumed:
        line += f", resumed within {max(outcome.resumed) * 1000:.0f} ms"
    trouble = [str(cost) for cost in outcome.costs if not cost.nothing]
    return [line, *trouble, *outcome.wrong]
