"""Lets a scenario pass, event by event: calls come and end, workers start, the loop looks."""

from __future__ import annotations

import gc
import math
import time as clock
from bisect import insort
from collections.abc import Iterator
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import repeat
from typing import Final, Literal

import numpy as np

from allocator.scaling import fleet
from allocator.scaling.observation import Observation, Policy
from allocator.simulation.agenda import ACTIONS, Agenda, Event
from allocator.simulation.calls import Calls
from allocator.simulation.measures import WAITED_SECONDS, Measures, Moment
from allocator.simulation.scenario import Scenario
from allocator.simulation.statefulset import StatefulSet
from allocator.simulation.workers import Workers

Removal = Literal["careful", "top", "idle"]
"""How a fleet shrinks: by our `fleet.step`; from the top, busy or not (a plain StatefulSet); or
whatever is idle, wherever it stands (Agones)."""

BUCKET_CALLS: Final = 60
"""About so many calls come in one bucket of the agenda."""
MIN_BUCKET: Final = 0.2
ROOM: Final = 8
"""More ordinals than the bounds allow: `fleet.step` counts around pods on their way out."""
MOMENTS: Final = 1500
"""About so many looks are kept for the pictures."""


@dataclass(frozen=True, slots=True)
class Rule:
    """How a fleet is run.

    Attributes:
        policy: says how many.
        removal: how the fleet shrinks.
        hand_over: whether draining workers give their calls away.
    """

    policy: Policy
    removal: Removal = "careful"
    hand_over: bool = True


def run(scenario: Scenario, calls: Calls, rule: Rule, seed: int) -> Measures:
    """One rule on one day of calls; the same for the same seed."""
    return Engine(scenario, calls, rule, seed).run()


class Engine:
    """One run."""

    def __init__(self, scenario: Scenario, calls: Calls, rule: Rule, seed: int) -> None:
        self._scenario = scenario
        self._calls = calls
        self._rule = rule
        self._random = np.random.default_rng([seed, 1])
        each = scenario.seconds / max(1, len(calls.arrivals))
        width = min(scenario.look_seconds, max(MIN_BUCKET, BUCKET_CALLS * each))
        self._agenda = Agenda(width, scenario.seconds)
        self.workers = Workers(scenario.slots, scenario.bounds.maximum + ROOM)
        self.measures = Measures()
        self._set = StatefulSet(
            scenario,
            self.workers,
            self._agenda,
            self.measures,
            self._random,
            serve=self._serve,
            displace=self._displace,
        )
        self._first = int(np.searchsorted(calls.arrivals, scenario.warm_up))
        """The first call that is measured."""
        self._arrived = 0
        self._ended = 0
        self._talked = 0.0
        self._moved: dict[int, int] = {}
        """Calls that did not stay where they began: the ordinal that has them."""
        self._left: dict[int, float] = {}
        """Moved calls that wait: seconds they still have to talk."""
        looks = scenario.seconds / scenario.look_seconds
        self._every = max(1, math.ceil(looks / MOMENTS))
        self._looks = 0

    def run(self) -> Measures:
        """Let the time pass."""
        self._begin()
        agenda, seconds = self._agenda, self._scenario.seconds
        collecting = gc.isenabled()
        # Nothing here is a cycle, and going through a hundred thousand calls for one costs time.
        gc.disable()
        try:
            for bucket, arrivals in self._arrivals():
                self._pass(agenda.open(bucket, arrivals))
        finally:
            if collecting:
                gc.enable()
        self._set.pay(seconds)
        self.measures.arrived = len(self._calls.arrivals) - self._first
        for since, call in self.workers.waiting:
            if call not in self._left and call >= self._first:
                self.measures.waits.append(seconds - since)
        return self.measures

    def _begin(self) -> None:
        self._set.begin(self._scenario.bounds.clamp(self._scenario.start_workers))
        self._agenda.call(self._scenario.look_seconds, self._look)

    def _arrivals(self) -> Iterator[tuple[int, list[Event]]]:
        """Bucket by bucket, the calls that arrive in it."""
        times = self._calls.arrivals
        width = self._agenda.width
        buckets = math.ceil(self._scenario.seconds / width)
        edges = np.searchsorted(times, np.arange(buckets + 1) * width).tolist()
        for bucket in range(buckets):
            low, high = edges[bucket], edges[bucket + 1]
            if low == high:
                yield bucket, []
            else:
                yield bucket, list(zip(times[low:high].tolist(), range(low, high), repeat(-1)))

    def _pass(self, due: list[Event]) -> None:
        """One bucket of events; written for speed, as it sees every call twice."""
        workers, agenda = self.workers, self._agenda
        calls, usable, offered = workers.calls, workers.usable, workers.offered
        free, waiting = workers.free, workers.waiting
        lengths, slots, buckets = self._calls.lengths.data, workers.slots, agenda.buckets
        current, width, until = agenda.current, agenda.width, agenda.until
        arrived, ended, talked = self._arrived, 0, 0.0
        # A list may grow behind the present event while it is gone through.
        for time, code, ordinal in due:
            if code < 0:
                call = ~code
                if (end := calls[ordinal].pop(call, None)) != time:
                    if end is not None:
                        calls[ordinal][call] = end
                    if (ordinal := self._end_elsewhere(call, time)) < 0:
                        continue
                ended += 1
                talked += lengths[call]
                if usable[ordinal]:
                    if waiting:
                        self._serve(ordinal, time)
                    elif not offered[ordinal]:
                        offered[ordinal] = True
                        heappush(free, ordinal)
            elif code < ACTIONS:
                arrived += 1
                while free:
                    ordinal = free[0]
                    carried = calls[ordinal]
                    if len(carried) < slots and usable[ordinal]:
                        break
                    heappop(free)
                    offered[ordinal] = False
                else:
                    waiting.append((time, code))
                    continue
                end = time + lengths[code]
                carried[code] = end
                if (bucket := int(end / width)) <= current:
                    insort(due, (end, ~code, ordinal))
                elif end < until:
                    buckets[bucket].append((end, ~code, ordinal))
            else:
                self._arrived, self._ended = arrived, self._ended + ended
                self._talked += talked
                ended, talked = 0, 0.0
                agenda.act(code, time)
        self._arrived, self._ended = arrived, self._ended + ended
        self._talked += talked

    # Calls.

    def _end_elsewhere(self, call: int, time: float) -> int:
        """A call that was moved ends; the ordinal it was on, or -1: it waited, and ends later."""
        ordinal = self._moved.get(call, -1)
        if ordinal < 0 or self.workers.calls[ordinal].get(call) != time:
            return -1
        del self._moved[call], self.workers.calls[ordinal][call]
        return ordinal

    def _serve(self, ordinal: int, time: float) -> None:
        """Give the free slots of a worker to those who wait."""
        workers = self.workers
        carried = workers.calls[ordinal]
        while workers.waiting and len(carried) < workers.slots:
            since, call = workers.waiting.popleft()
            left = self._left.pop(call, None)
            if left is not None:
                end = time + left
                self._moved[call] = ordinal
                self.measures.stalled += time - since > WAITED_SECONDS
            else:
                end = time + float(self._calls.lengths[call])
                if call >= self._first:
                    self.measures.waits.append(time - since)
            carried[call] = end
            self._agenda.add(end, ~call, ordinal)
        workers.offer(ordinal)

    def _displace(self, ordinal: int, time: float) -> int:
        """Move the calls of a worker that is lost; returns how many."""
        lost = self.workers.take_all(ordinal)
        # Those who have longest to talk last, so that they come first in the queue.
        for call, end in sorted(lost.items(), key=lambda item: item[1]):
            if not self._move(call, end):
                self._left[call] = end - time
                self._moved.pop(call, None)
                self.workers.waiting.appendleft((time, call))
        return len(lost) if time >= self._scenario.warm_up else 0

    def _move(self, call: int, end: float) -> bool:
        """Place a call that has no worker; False if nobody is free."""
        ordinal = self.workers.lowest_free()
        if ordinal is None:
            return False
        self.workers.calls[ordinal][call] = end
        self._moved[call] = ordinal
        return True

    # The loop.

    def _look(self, time: float) -> None:
        seen = self._observe(time)
        wanted = self._rule.policy.plan(seen).replicas
        if self._rule.removal == "top":
            self._set.scale(wanted, time)
        elif self._rule.removal == "idle":
            self._set.scale_idle(wanted, time)
        else:
            step = fleet.step(seen, wanted)
            if step.cordon:
                self._cordon(step)
                step = fleet.step(self._observe(time), wanted)
            self._take(step, time)
        self._keep(time)
        self._agenda.call(time + self._scenario.look_seconds, self._look)

    def _observe(self, time: float) -> Observation:
        return Observation(
            model=self._scenario.name,
            at=time,
            replicas=self._set.replicas,
            slots_per_worker=self._scenario.slots,
            workers=self.workers.seen(),
            waiting=len(self.workers.waiting),
            arrivals=self._arrived,
            talked=self._talked,
            ended=self._ended,
            hour=(self._scenario.start_hour + time / 3600.0) % 168.0,
            startup=self._set.startup,
        )

    def _cordon(self, step: fleet.Step) -> None:
        for ordinal in step.cordon:
            self.workers.cordon(ordinal, True)

    def _take(self, step: fleet.Step, time: float) -> None:
        for ordinal in step.uncordon:
            self.workers.cordon(ordinal, False)
            if self.workers.usable[ordinal]:
                self._serve(ordinal, time)
        if self._rule.hand_over:
            for ordinal in step.hand_over:
                self._hand_over(ordinal, time)
        self._set.scale(step.replicas, time)

    def _hand_over(self, ordinal: int, time: float) -> None:
        """Each of its calls moves at the next pause of speech, if there is room then."""
        for call in self.workers.calls[ordinal]:

            def pause(_: float, call: int = call) -> None:
                end = self.workers.calls[ordinal].get(call)
                # It may have ended, the worker may be wanted again, or the room taken.
                if end is None or self.workers.usable[ordinal] or not self._move(call, end):
                    return
                del self.workers.calls[ordinal][call]
                self.measures.handed_over += 1

            within = min(self._scenario.pause_seconds, self._scenario.look_seconds)
            self._agenda.call(time + within * self._random.random(), pause)

    def _keep(self, time: float) -> None:
        self._looks += 1
        if time >= self._scenario.warm_up and self._looks % self._every == 0:
            workers = self.workers
            self.measures.timeline.append(
                Moment(
                    time,
                    workers.busy,
                    len(workers.waiting),
                    workers.alive * workers.slots,
                )
            )


def timed(scenario: Scenario, calls: Calls, rule: Rule, seed: int) -> tuple[Measures, float]:
    """:func:`run`, and the CPU seconds that it took."""
    began = clock.process_time()
    return run(scenario, calls, rule, seed), clock.process_time() - began
