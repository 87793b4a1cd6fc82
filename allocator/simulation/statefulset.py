"""What becomes of workers: ordered, started, failed, removed, and paid for all the while."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from allocator.simulation.agenda import Agenda
from allocator.simulation.measures import Measures
from allocator.simulation.scenario import Scenario
from allocator.simulation.workers import Workers

REMEMBERED: Final = 0.8
"""Weight of earlier starts in the start-up time that the loop knows."""


class StatefulSet:
    """A StatefulSet with parallel pod management, and the chance that governs its pods.

    Args:
        scenario: how long a start takes, how often a worker fails.
        workers: what it creates and removes.
        agenda: where starts and failures are put.
        measures: what is paid, and who was interrupted.
        random: chance.
        serve: called with a worker that has free slots, and the time.
        displace: called with a worker that is lost, and the time; moves its calls and returns how
            many were measured.

    Attributes:
        replicas: what it is told to run.
        startup: seconds that starts were seen to need; None while nobody has seen one.
    """

    def __init__(
        self,
        scenario: Scenario,
        workers: Workers,
        agenda: Agenda,
        measures: Measures,
        random: np.random.Generator,
        *,
        serve: Callable[[int, float], None],
        displace: Callable[[int, float], int],
    ) -> None:
        self._scenario = scenario
        self._workers = workers
        self._agenda = agenda
        self._measures = measures
        self._random = random
        self._serve = serve
        self._displace = displace
        self._paid_until = scenario.warm_up
        self.replicas = 0
        self.startup: float | None = None

    def begin(self, replicas: int) -> None:
        """So many are ready at once."""
        self.replicas = replicas
        for ordinal in range(replicas):
            self._ready(ordinal, self._workers.create(ordinal), 0.0)

    def scale(self, replicas: int, time: float) -> None:
        """What the controller does at once when it is told: the top goes, busy or not."""
        self.pay(time)
        if replicas == self.replicas == self._workers.alive:
            return
        self.replicas = replicas
        for ordinal in list(self._workers.above(replicas)):
            self._workers.remove(ordinal)
            self._measures.interrupted += self._displace(ordinal, time)
        for ordinal in list(self._workers.missing(replicas)):
            self._start(ordinal, self._workers.create(ordinal), time)

    def scale_idle(self, number: int, time: float) -> None:
        """As many workers, of which only idle ones are removed, wherever they stand."""
        self.pay(time)
        workers = self._workers
        if number == workers.alive:
            return
        for ordinal in list(workers.idle())[: max(0, workers.alive - number)]:
            workers.remove(ordinal)
        for ordinal in list(workers.missing(len(workers.calls)))[: max(0, number - workers.alive)]:
            self._start(ordinal, workers.create(ordinal), time)
        self.replicas = workers.alive

    def pay(self, time: float) -> None:
        """For all there are, since the last time."""
        if time > self._paid_until:
            paid = (time - self._paid_until) * self._workers.alive * self._workers.slots
            self._measures.slot_seconds += paid
            self._paid_until = time

    def _start(self, ordinal: int, generation: int, time: float) -> None:
        spread = self._scenario.startup_spread
        took = self._scenario.startup_seconds * self._random.lognormal(-(spread**2) / 2, spread)

        def ready(now: float) -> None:
            if self._workers.is_current(ordinal, generation):
                before = took if self.startup is None else self.startup
                self.startup = REMEMBERED * before + (1 - REMEMBERED) * took
                self._ready(ordinal, generation, now)

        self._agenda.call(time + took, ready)

    def _ready(self, ordinal: int, generation: int, time: float) -> None:
        self._workers.ready(ordinal)
        if self._workers.usable[ordinal]:
            self._serve(ordinal, time)
        if not self._scenario.failures:
            return

        def fail(now: float) -> None:
            if self._workers.is_current(ordinal, generation):
                successor = self._workers.restart(ordinal)
                self._measures.failed_over += self._displace(ordinal, now)
                self._start(ordinal, successor, now)

        lives = self._random.exponential(3600.0 / self._scenario.failures)
        self._agenda.call(time + lives, fail)
