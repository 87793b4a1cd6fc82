"""What the policies promise about the number of workers."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from allocator.scaling.observation import Bounds, Observation, Plan, Policy, WorkerSeen
from allocator.scaling.policies import build
from allocator.scaling.schedule import Schedule
from allocator.scaling.steadying import Steadying

SLOTS = 4
LOOK = 10.0


def seen(
    at: float = 0.0,
    *,
    busy: int = 0,
    waiting: int = 0,
    arrivals: int = 0,
    ended: int = 0,
    workers: int = 3,
    hour: float = 0.0,
    startup: float | None = 60.0,
) -> Observation:
    """`workers` workers that carry `busy` sessions, lowest first, of 100 s each."""
    there = []
    for ordinal in range(workers):
        carried = max(0, min(SLOTS, busy - ordinal * SLOTS))
        there.append(WorkerSeen(ordinal, "busy" if carried else "idle", SLOTS, carried))
    return Observation(
        "english",
        at,
        workers,
        SLOTS,
        tuple(there),
        waiting,
        arrivals,
        ended * 100.0,
        ended,
        hour,
        startup,
    )


def policy(
    name: Literal["predictive", "seed"] = "predictive",
    bounds: Bounds | None = None,
    *,
    idle_workers: int = 0,
    chance: float = 0.05,
    down_seconds: float = 0.0,
    schedule: Schedule | None = None,
) -> Policy:
    return build(
        name,
        bounds or Bounds(1, 500),
        idle_workers=idle_workers,
        chance=chance,
        idle_seconds=600.0,
        down_seconds=down_seconds,
        schedule=schedule,
    )


def steady(
    one: Policy, rate: float, *, seconds: float = 1800.0, **more: float
) -> tuple[Observation, Plan]:
    """The last look and plan after calls of 100 s came at a steady rate."""
    busy = round(rate * 100)
    workers = -(-busy // SLOTS) + 2
    for look in range(int(seconds / LOOK)):
        at = look * LOOK
        now = seen(
            at,
            busy=busy,
            arrivals=int(rate * at),
            ended=int(rate * max(0.0, at - 100)),
            workers=workers,
        )
        plan = one.plan(now)
    return now, plan


looks = st.lists(
    st.builds(
        dict,
        busy=st.integers(0, 40),
        waiting=st.integers(0, 30),
        arrivals=st.integers(0, 500),
        ended=st.integers(0, 500),
        workers=st.integers(0, 12),
        startup=st.none() | st.floats(0.0, 900.0),
    ),
    min_size=1,
    max_size=12,
)


@settings(max_examples=40, deadline=None)
@given(
    looks,
    st.sampled_from(["predictive", "seed"]),
    st.integers(0, 5),
    st.integers(0, 30),
    st.integers(0, 9),
    st.floats(0.001, 0.999),
)
def test_a_plan_is_always_within_the_bounds_even_when_counters_begin_again(
    sequence: list[dict[str, int]],
    name: Literal["predictive", "seed"],
    minimum: int,
    more: int,
    idle_workers: int,
    chance: float,
) -> None:
    bounds = Bounds(minimum, minimum + more)
    one = policy(name, bounds, idle_workers=idle_workers, chance=chance, down_seconds=60.0)
    for number, look in enumerate(sequence):
        plan = one.plan(seen(number * LOOK, **look))
        assert bounds.minimum <= plan.replicas <= bounds.maximum
        assert plan.reason.endswith(".")


@settings(max_examples=40, deadline=None)
@given(looks, st.integers(1, 50), st.floats(0.001, 0.999))
def test_more_waiting_is_never_answered_with_fewer_workers(
    sequence: list[dict[str, int]], more: int, chance: float
) -> None:
    calm, pressed = policy(chance=chance), policy(chance=chance)
    for number, look in enumerate(sequence[:-1]):
        assert calm.plan(seen(number * LOOK, **look)) == pressed.plan(seen(number * LOOK, **look))
    last = seen(len(sequence) * LOOK, **sequence[-1])
    fewer = calm.plan(last).replicas
    assert pressed.plan(replace(last, waiting=last.waiting + more)).replicas >= fewer


@settings(max_examples=40, deadline=None)
@given(looks)
def test_there_is_room_for_all_who_talk_and_for_the_idle_target(
    sequence: list[dict[str, int]],
) -> None:
    one = policy(idle_workers=2)
    for number, look in enumerate(sequence):
        now = seen(number * LOOK, **look)
        busy = sum(worker.busy for worker in now.workers)
        assert one.plan(now).replicas * SLOTS >= busy + 2 * SLOTS


def test_the_seeds_rule_keeps_its_idle_workers() -> None:
    one = policy("seed", idle_workers=3)
    assert one.plan(seen(busy=9, workers=8)).replicas == 3 + 3
    assert one.plan(seen(busy=9, waiting=50, workers=8)).replicas == 3 + 3


def test_free_slots_follow_arrivals_times_start_up_time() -> None:
    def free(rate: float, startup: float) -> float:
        one = policy(chance=0.01)
        now, _ = steady(one, rate)
        plan = one.plan(replace(now, at=now.at + LOOK, startup=startup))
        return plan.figures["slots"] - plan.figures["busy"]

    assert free(0.1, 60.0) < free(1.0, 60.0) < free(10.0, 60.0)
    assert free(1.0, 20.0) < free(1.0, 60.0) < free(1.0, 300.0)


def test_who_accepts_less_waiting_pays_for_more_slots() -> None:
    plans = [steady(policy(chance=chance), 1.0)[1] for chance in (0.5, 0.1, 0.01, 0.001)]
    slots = [plan.figures["slots"] for plan in plans]
    assert slots == sorted(slots)
    assert slots[0] < slots[-1]


def test_a_burst_is_believed_at_once() -> None:
    one = policy()
    now, before = steady(one, 0.2)
    burst = replace(now, at=now.at + LOOK, arrivals=now.arrivals + 40)
    plan = one.plan(burst)
    assert "a burst" in plan.reason
    assert plan.replicas > 2 * before.replicas


def test_a_climb_is_seen_coming() -> None:
    one, arrivals, rate = policy(), 0.0, 0.0
    for look in range(240):
        rate = 0.5 + max(0, look - 120) * 0.01
        arrivals += rate * LOOK
        plan = one.plan(seen(look * LOOK, busy=40, workers=12, arrivals=int(arrivals)))
    assert plan.figures["rate"] > rate


def test_waiting_sessions_are_answered_at_once() -> None:
    one = policy(bounds=Bounds(0, 50))
    one.plan(seen(0.0, workers=0))
    assert one.plan(seen(10.0, workers=0, waiting=9)).replicas >= 3


def test_a_model_that_nobody_calls_goes_to_zero_only_where_it_may_and_only_after_a_while() -> None:
    sleepy, awake = policy(bounds=Bounds(0, 50)), policy(bounds=Bounds(1, 50))
    for one, least in ((sleepy, 0), (awake, 1)):
        assert one.plan(seen(0.0, busy=1)).replicas >= 1
        assert one.plan(seen(590.0)).replicas >= 1
        assert one.plan(seen(600.0, workers=1)).replicas == least
    assert sleepy.plan(seen(610.0, workers=0, arrivals=1, waiting=1)).replicas >= 1


def test_a_schedule_keeps_slots_free_and_begins_before_its_hour() -> None:
    one = policy(schedule=Schedule.parse("mon 08:00-18:00 = 40"))
    assert one.plan(seen(0.0, hour=7.0)).replicas < 10
    assert one.plan(seen(10.0, hour=8.0 - 30 / 3600)).replicas >= 10
    assert one.plan(seen(20.0, hour=12.0)).replicas >= 10
    assert policy(schedule=Schedule()).plan(seen(0.0, hour=12.0)).replicas < 10


def test_a_successor_without_memory_does_not_begin_by_sending_workers_away() -> None:
    one = policy(down_seconds=120.0)
    assert one.plan(seen(0.0, workers=40)).replicas == 40
    assert one.plan(seen(110.0, workers=40)).replicas == 40
    assert one.plan(seen(130.0, workers=40)).replicas < 40


def test_up_at_once_down_only_to_the_highest_plan_of_a_while_and_not_all_at_once() -> None:
    steadying = Steadying(60.0, fraction=0.25)
    assert steadying.settle(0.0, 40, 40) == 40
    assert steadying.settle(30.0, 10, 40) == 40
    assert steadying.settle(61.0, 8, 40) == 30
    assert steadying.settle(70.0, 8, 30) == 23
    assert steadying.settle(80.0, 50, 23) == 50


def test_a_worker_is_kept_at_least_as_long_as_its_successor_would_need_to_start() -> None:
    steadying = Steadying(30.0)
    assert steadying.settle(0.0, 8, 4, startup=300.0) == 8
    assert steadying.settle(290.0, 4, 8, startup=300.0) == 8
    assert steadying.settle(301.0, 4, 8, startup=300.0) == 4


@pytest.mark.parametrize(("startup", "kept"), [(20.0, False), (300.0, True), (None, False)])
def test_where_workers_start_slowly_they_leave_slowly(startup: float | None, kept: bool) -> None:
    one = policy(down_seconds=30.0)
    one.plan(seen(0.0, workers=20, startup=startup))
    replicas = one.plan(seen(40.0, workers=20, startup=startup)).replicas
    assert replicas == 20 if kept else replicas < 20


@pytest.mark.parametrize("chance", [0.0, 1.0, -0.1])
def test_a_chance_that_is_none_is_refused(chance: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        policy(chance=chance)
