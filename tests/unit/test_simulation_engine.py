"""The simulator against what is known without simulating."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from allocator.scaling.chances import erlang_c
from allocator.scaling.observation import Bounds, Observation, Plan, WorkerSeen
from allocator.simulation.calls import Calls, Exponential, Lengths, draw
from allocator.simulation.engine import Engine, Removal, Rule
from allocator.simulation.measures import summary
from allocator.simulation.rules import ours
from allocator.simulation.scenario import Scenario


class Following:
    """Plans what it is told for each look; keeps what it saw."""

    def __init__(self, wanted: Callable[[int], int]) -> None:
        self._wanted = wanted
        self.seen: list[Observation] = []

    def plan(self, seen: Observation) -> Plan:
        self.seen.append(seen)
        return Plan(self._wanted(len(self.seen) - 1), "As told.")


def scenario(**more: object) -> Scenario:
    plain = Scenario(
        "test",
        "a test",
        rate=lambda times: np.full_like(times, 0.2),
        lengths=Exponential(60.0),
        seconds=1200.0,
        slots=1,
        bounds=Bounds(0, 40),
        start_workers=20,
        startup_spread=0.0,
        warm_up=0.0,
    )
    return replace(plain, **more)  # type: ignore[arg-type]


def calls(*pairs: tuple[float, float]) -> Calls:
    arrivals, lengths = np.array(pairs, dtype=float).T
    return Calls(arrivals, np.ascontiguousarray(lengths))


def simulated(
    what: Scenario,
    who: Calls,
    wanted: Callable[[int], int],
    removal: Removal = "careful",
    *,
    hand_over: bool = True,
) -> tuple[Engine, Following]:
    policy = Following(wanted)
    engine = Engine(what, who, Rule(policy, removal, hand_over), seed=1)
    engine.run()
    return engine, policy


def test_a_steady_queue_waits_as_erlang_says() -> None:
    servers, load = 10, 8.0
    what = scenario(
        rate=lambda times: np.full_like(times, load / 60.0),
        seconds=200_000.0,
        warm_up=5000.0,
        start_workers=servers,
        bounds=Bounds(servers, servers),
        look_seconds=50_000.0,
    )
    who = draw(what.rate, what.lengths, what.seconds, seed=7)
    engine, _ = simulated(what, who, lambda look: servers)
    waited = np.frombuffer(engine.measures.waits)
    share = len(waited) / engine.measures.arrived
    chance = erlang_c(servers, load)
    assert share == pytest.approx(chance, abs=0.05)
    assert waited.mean() == pytest.approx(60.0 / (servers - load), rel=0.2)


@settings(max_examples=25, deadline=None)
@given(
    plans=st.lists(st.integers(0, 30), min_size=10, max_size=10),
    removal=st.sampled_from(["careful", "top", "idle"]),
    slots=st.integers(1, 3),
    failures=st.sampled_from([0.0, 20.0]),
    seed=st.integers(0, 99),
)
def test_no_call_is_lost_or_doubled_whatever_is_planned(
    plans: list[int], removal: Removal, slots: int, failures: float, seed: int
) -> None:
    what = scenario(slots=slots, failures=failures, startup_seconds=15.0)
    who = draw(what.rate, what.lengths, what.seconds, seed)
    engine, policy = simulated(
        what, who, lambda look: plans[look % 10], removal, hand_over=bool(seed % 2)
    )
    last = policy.seen[-1]
    for seen in policy.seen:
        carried = sum(worker.busy for worker in seen.workers)
        assert seen.arrivals == carried + seen.waiting + seen.ended
        assert all(worker.busy <= slots for worker in seen.workers)
    carried_now = Counter(call for on in engine.workers.calls for call in on)
    assert max(carried_now.values(), default=1) == 1
    assert last.arrivals <= len(who.arrivals)
    if removal != "top":
        assert engine.measures.interrupted == 0


def test_a_call_gets_the_lowest_free_slot() -> None:
    what = scenario(slots=2, start_workers=3)
    _, policy = simulated(what, calls((1.0, 500.0), (2.0, 500.0), (3.0, 500.0)), lambda look: 3)
    assert policy.seen[0].workers == (
        WorkerSeen(0, "busy", 2, 2),
        WorkerSeen(1, "busy", 2, 1),
        WorkerSeen(2, "idle", 2, 0),
    )


def test_who_finds_no_slot_waits_for_the_first_that_is_free() -> None:
    what = scenario(start_workers=1)
    engine, _ = simulated(what, calls((1.0, 30.0), (5.0, 100.0), (6.0, 7.0)), lambda look: 1)
    assert list(engine.measures.waits) == [pytest.approx(26.0), pytest.approx(125.0)]


def test_a_worker_helps_only_when_it_has_started_and_is_paid_from_its_order() -> None:
    what = scenario(start_workers=1, startup_seconds=60.0, seconds=200.0)
    engine, policy = simulated(what, calls((1.0, 1000.0), (5.0, 1000.0)), lambda look: 2)
    assert list(engine.measures.waits) == [pytest.approx(65.0)]
    assert engine.measures.slot_seconds == pytest.approx(200.0 + 190.0)
    assert policy.seen[1].workers[1].condition == "starting"
    assert policy.seen[-1].startup == pytest.approx(60.0)


def test_a_plain_statefulset_interrupts_the_call_at_its_top() -> None:
    what = scenario(start_workers=2)
    engine, _ = simulated(what, calls((1.0, 5.0), (2.0, 300.0)), lambda look: 1, removal="top")
    assert engine.measures.interrupted == 1
    assert not engine.measures.waits


def test_our_step_hands_it_over_instead() -> None:
    what = scenario(start_workers=2)
    engine, policy = simulated(what, calls((1.0, 5.0), (2.0, 300.0)), lambda look: 1)
    assert (engine.measures.interrupted, engine.measures.handed_over) == (0, 1)
    assert policy.seen[2].replicas == 1
    assert policy.seen[-1].ended == 2


def test_without_hand_over_it_is_waited_for() -> None:
    what = scenario(start_workers=2)
    engine, policy = simulated(
        what, calls((1.0, 5.0), (2.0, 300.0)), lambda look: 1, hand_over=False
    )
    assert engine.measures.handed_over == 0
    assert [seen.replicas for seen in policy.seen[28:34]] == [2, 2, 2, 1, 1, 1]


def test_a_call_on_a_worker_that_fails_goes_on_elsewhere_for_as_long_as_it_had_left() -> None:
    what = scenario(start_workers=2, failures=3600.0 / 50.0, startup_seconds=20.0)
    engine, policy = simulated(what, calls((1.0, 400.0)), lambda look: 2)
    assert engine.measures.failed_over > 0
    assert policy.seen[-1].ended == 1
    assert policy.seen[-1].talked == pytest.approx(400.0)


def test_the_same_seed_gives_the_same_day() -> None:
    what = scenario(lengths=Lengths(100.0, tail=0.1), failures=2.0, startup_spread=0.3)

    def figures() -> object:
        who = draw(what.rate, what.lengths, what.seconds, seed=3)
        engine = Engine(what, who, ours(0.05, 1).make(what), seed=3)
        return summary(engine.run(), scenario="", rule="", variant="", seconds=0.0)

    assert figures() == figures()


def test_made_up_calls_are_as_many_and_as_long_as_was_asked() -> None:
    who = draw(lambda times: times / 1000.0, Lengths(200.0, 0.9, tail=0.05), 4000.0, seed=1)
    expected = 4000.0**2 / 2 / 1000.0
    assert len(who.arrivals) == pytest.approx(expected, abs=5 * math.sqrt(expected))
    assert (np.diff(who.arrivals) >= 0).all()
    assert who.lengths.mean() == pytest.approx(220.0, rel=0.15)
    assert who.lengths.max() > 2000.0
