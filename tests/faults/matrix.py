"""All cases, however often: rounds one after the other, each with its own seed."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence

from tests.faults import cases_clients, cases_processes, cases_servers
from tests.faults.caller import Clip, Heard
from tests.faults.case import CASES, Case
from tests.faults.round import Outcome, clips, play, undisturbed
from tests.faults.world import WORKERS, World

SESSIONS = 8
LOADED = (cases_clients, cases_processes, cases_servers)
"""Importing them registers their cases."""


class Matrix:
    """Plays cases in one world; the undisturbed runs are made once for each kind of call.

    Args:
        world: where.
        seed: of the moments.
        sessions: live in each round.
        timed: measure gaps: every worker is ready before a round begins, so that none that
            starts up takes the processor from those that are looked at.
    """

    def __init__(
        self, world: World, seed: int, sessions: int = SESSIONS, *, timed: bool = True
    ) -> None:
        self._world = world
        self._seed = seed
        self._sessions = sessions
        self._timed = timed
        self._healthy: dict[tuple[str, float], tuple[list[Clip], list[Heard]]] = {}

    def play(
        self, case: Case, rounds: int, tell: Callable[[int, Outcome], None] = lambda *_: None
    ) -> list[Outcome]:
        """The rounds of a case."""
        outcomes = []
        for number in range(rounds):
            self._world.begin(case.model, WORKERS if self._timed else 2)
            said, healthy = self._undisturbed(case)
            # A round can be repeated alone: its moments depend on nothing else.
            rng = random.Random(f"{self._seed} {case.name} {number}")
            outcome = asyncio.run(play(self._world, case, said, healthy, rng))
            outcomes.append(outcome)
            tell(number, outcome)
        return outcomes

    def _undisturbed(self, case: Case) -> tuple[list[Clip], list[Heard]]:
        kind = case.model, case.seconds
        if kind not in self._healthy:
            said = clips(self._sessions, case.seconds)
            heard = asyncio.run(undisturbed(self._world, said, case.model, timed=self._timed))
            self._healthy[kind] = said, heard
        return self._healthy[kind]


def chosen(words: Sequence[str]) -> list[Case]:
    """The cases whose names contain any of the words; all without one.

    Raises:
        KeyError: a word names no case.
    """
    for word in words:
        if not any(word in name for name in CASES):
            raise KeyError(word)
    return [
        case for name, case in CASES.items() if not words or any(word in name for word in words)
    ]
