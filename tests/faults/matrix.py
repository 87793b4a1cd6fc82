"""Rounds of cases in one world, each with its own seed."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence

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
        timed: measure gaps: enough workers are ready before a round begins, and one that still
            starts takes only the processor time that nobody else wants.
    """

    def __init__(
        self, world: World, seed: int, sessions: int = SESSIONS, *, timed: bool = True
    ) -> None:
        self._world = world
        self._seed = seed
        self._sessions = sessions
        self._timed = timed
        self._healthy: dict[tuple[str, float], tuple[list[Clip], list[Heard]]] = {}

    def round(self, case: Case, number: int) -> Outcome:
        """One round of a case; which one decides its moments."""
        if reason := case.needs(self._world):
            return Outcome(not_played=reason)
        everyone = case.everyone or (self._timed and self._kind(case) not in self._healthy)
        self._world.begin(case.model, WORKERS if self._timed else 2, spares=everyone)
        said, healthy = self._undisturbed(case)
        # A round can be repeated alone: its moments depend on nothing else.
        rng = random.Random(f"{self._seed} {case.name} {number}")
        return asyncio.run(play(self._world, case, said, healthy, rng))

    def _kind(self, case: Case) -> tuple[str, float]:
        return case.model, case.seconds

    def _undisturbed(self, case: Case) -> tuple[list[Clip], list[Heard]]:
        kind = self._kind(case)
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
