"""Shrinking never touches a call."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from allocator.scaling.fleet import Step, step
from allocator.scaling.observation import Condition, Observation, WorkerSeen

SLOTS = 4


def fleet(*workers: tuple[Condition, int], replicas: int | None = None, waiting: int = 0):
    seen = tuple(
        WorkerSeen(ordinal, condition, 0 if condition == "starting" else SLOTS, busy)
        for ordinal, (condition, busy) in enumerate(workers)
    )
    number = len(seen) if replicas is None else replicas
    return Observation("english", 0.0, number, SLOTS, seen, waiting, 0, 0.0, 0)


@st.composite
def fleets(draw: st.DrawFn) -> Observation:
    condition = st.sampled_from(["starting", "idle", "busy", "draining"])
    workers = []
    for ordinal in sorted(draw(st.sets(st.integers(0, 20), max_size=12))):
        state: Condition = draw(condition)
        least, most = {"starting": (0, 0), "idle": (0, 0), "busy": (1, SLOTS)}.get(
            state, (0, SLOTS)
        )
        slots = 0 if state == "starting" else SLOTS
        workers.append(WorkerSeen(ordinal, state, slots, draw(st.integers(least, most))))
    replicas = draw(st.integers(0, 20))
    waiting = draw(st.integers(0, 9))
    return Observation("english", 0.0, replicas, SLOTS, tuple(workers), waiting, 0, 0.0, 0)


@settings(max_examples=60, deadline=None)
@given(fleets(), st.integers(0, 25))
def test_no_worker_that_has_a_call_or_could_be_given_one_is_removed(
    seen: Observation, wanted: int
) -> None:
    replicas = step(seen, wanted).replicas
    removed = [w for w in seen.workers if replicas <= w.ordinal < seen.replicas]
    assert all(worker.condition == "draining" and not worker.busy for worker in removed)


@settings(max_examples=60, deadline=None)
@given(fleets(), st.integers(0, 25))
def test_what_is_wanted_is_never_undercut_and_what_is_not_wanted_is_cordoned(
    seen: Observation, wanted: int
) -> None:
    taken = step(seen, wanted)
    draining = {w.ordinal for w in seen.workers if w.condition == "draining"}
    assert taken.replicas >= wanted
    assert set(taken.cordon) == {w.ordinal for w in seen.workers if w.ordinal >= wanted} - draining
    assert set(taken.uncordon) == {ordinal for ordinal in draining if ordinal < wanted}


@settings(max_examples=60, deadline=None)
@given(fleets(), st.integers(0, 25))
def test_only_as_many_calls_are_handed_over_as_there_is_room_for(
    seen: Observation, wanted: int
) -> None:
    moved = sum(w.busy for w in seen.workers if w.ordinal in step(seen, wanted).hand_over)
    room = sum(
        w.slots - w.busy
        for w in seen.workers
        if w.ordinal < wanted and w.condition in ("idle", "busy")
    )
    assert moved <= max(0, room - seen.waiting)


def test_the_top_is_cordoned_first_and_removed_when_it_was_seen_so() -> None:
    before = fleet(("busy", 2), ("idle", 0), ("idle", 0))
    assert step(before, 1) == Step(replicas=3, cordon=(1, 2))
    after = fleet(("busy", 2), ("draining", 0), ("draining", 0))
    assert step(after, 1) == Step(replicas=1)


def test_a_call_at_the_top_holds_what_is_below_it_until_it_is_handed_over() -> None:
    seen = fleet(("busy", 3), ("draining", 0), ("draining", 1))
    assert step(seen, 1) == Step(replicas=3, hand_over=(2,))


def test_there_is_no_hand_over_into_slots_that_somebody_waits_for() -> None:
    assert step(fleet(("busy", 3), ("draining", 1), waiting=1), 1).hand_over == ()


def test_what_is_wanted_again_is_uncordoned() -> None:
    seen = fleet(("busy", 4), ("draining", 1), ("draining", 0))
    assert step(seen, 3) == Step(replicas=3, uncordon=(1, 2))


def test_a_pod_on_its_way_out_keeps_its_ordinal_so_one_more_is_ordered() -> None:
    seen = fleet(("busy", 4), ("draining", 2), replicas=1)
    assert step(seen, 2).replicas == 3
