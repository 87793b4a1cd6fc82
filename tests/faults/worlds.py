"""Worlds side by side: a process each, given one round after the other."""

from __future__ import annotations

import multiprocessing
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path

from tests.faults.case import CASES
from tests.faults.matrix import Matrix
from tests.faults.plan import Job, Phase
from tests.faults.record import Options, Played
from tests.faults.round import Outcome
from tests.faults.world import world

BREAKS = 3
"""Worlds that may break one after the other with no round played in between."""
END_SECONDS = 120.0
STOPPING = (signal.SIGINT, signal.SIGTERM)


class WorldsBreak(Exception):
    """No world lives long enough to play a round."""


@dataclass(slots=True)
class _Player:
    process: BaseProcess
    pipe: Connection
    job: Job
    first: bool


class Worlds:
    """Plays phases.

    Args:
        folder: for the processes' logs; each world has its own in it.
        options: of all rounds.
    """

    def __init__(self, folder: Path, options: Options) -> None:
        self._folder = folder
        self._options = options
        self._made = 0
        self._breaks = 0
        self._players: list[_Player] = []
        self._leaving: list[BaseProcess] = []

    def play(self, phase: Phase) -> Iterator[Played]:
        """Each round when it is over.

        Raises:
            WorldsBreak: several in a row.
        """
        try:
            while phase.jobs or self._players:
                while phase.jobs and len(self._players) < phase.worlds:
                    first = not any(player.first for player in self._players)
                    self._players.append(self._begin(phase.next(first=first), first))
                for player in self._heard():
                    yield from self._answer(player, phase)
        finally:
            self._end()

    def _begin(self, job: Job, first: bool) -> _Player:
        self._made += 1
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        folder = self._folder / f"world-{self._made}"
        process = context.Process(
            target=_serve, args=(theirs, folder, self._options), name=folder.name
        )
        process.start()
        theirs.close()  # so that its end is heard here
        ours.send((job.case.name, job.numbers[0]))
        return _Player(process, ours, job, first)

    def _heard(self) -> list[_Player]:
        ready = wait([player.pipe for player in self._players])
        return [player for player in self._players if player.pipe in ready]

    def _answer(self, player: _Player, phase: Phase) -> Iterator[Played]:
        try:
            played: Played = player.pipe.recv()
        except (EOFError, ConnectionError):
            self._players.remove(player)
            player.process.join(END_SECONDS)
            self._broken(player, phase)
            return
        self._breaks = 0
        player.job.numbers.popleft()
        if played.outcome.not_played:
            player.job.numbers.clear()
        yield played
        if not player.job.numbers and phase.jobs:
            player.job = phase.next(first=player.first)
        if player.job.numbers:
            player.pipe.send((player.job.case.name, player.job.numbers[0]))
        else:
            player.pipe.send(None)
            # It takes itself down; nobody waits for it but the next phase.
            self._players.remove(player)
            self._leaving.append(player.process)

    def _broken(self, player: _Player, phase: Phase) -> None:
        self._breaks += 1
        what = f"{player.job.case.name}, round {player.job.numbers[0]}"
        print(f"{player.process.name} broke in {what}; a new one plays it", file=sys.stderr)
        if self._breaks >= BREAKS:
            raise WorldsBreak(f"{self._breaks} worlds broke one after the other, last in {what}")
        if player.first:
            phase.jobs.appendleft(player.job)
        else:
            phase.jobs.append(player.job)

    def _end(self) -> None:
        for player in self._players:
            if player.process.is_alive():
                player.process.terminate()
            self._leaving.append(player.process)
        for process in self._leaving:
            process.join(END_SECONDS)
        self._players.clear()
        self._leaving.clear()


def _serve(pipe: Connection, folder: Path, options: Options) -> None:
    """One world, until nothing more is to be played or nobody asks any more."""
    for number in STOPPING:
        signal.signal(number, _stop)
    with world(folder) as made:
        matrix = Matrix(made, options.seed, options.sessions)
        while (wanted := _next(pipe)) is not None:
            name, which = wanted
            began = time.monotonic()
            outcome: Outcome = matrix.round(CASES[name], which)
            pipe.send(Played(name, which, time.monotonic() - began, outcome))


def _stop(*_: object) -> None:
    # Once: Ctrl-C comes to the whole group, then our parent's own; what is being taken down must
    # not be left half way.
    for number in STOPPING:
        signal.signal(number, signal.SIG_IGN)
    sys.exit(1)


def _next(pipe: Connection) -> tuple[str, int] | None:
    try:
        wanted: tuple[str, int] | None = pipe.recv()
    except EOFError:
        return None
    return wanted
