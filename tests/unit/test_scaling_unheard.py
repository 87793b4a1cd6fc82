"""Who was not heard of is not taken for idle."""

from __future__ import annotations

from allocator.scaling.observation import Observation, WorkerSeen
from allocator.scaling.unheard import PATIENCE, Unheard


def seen(at: float, replicas: int, *ordinals: int) -> Observation:
    workers = tuple(WorkerSeen(ordinal, "idle", 2, 0) for ordinal in ordinals)
    return Observation("english", at, replicas, 2, workers, 0, 0, 0.0, 0)


def test_all_are_heard_of() -> None:
    assert Unheard().look(seen(0.0, 3, 0, 1, 2)) == 0


def test_the_fleet_stays_above_the_highest_that_is_not_heard_of() -> None:
    assert Unheard().look(seen(0.0, 4, 0, 1, 3)) == 3
    assert Unheard().look(seen(0.0, 4)) == 4


def test_it_is_waited_for_so_long_and_no_longer() -> None:
    unheard = Unheard()
    assert unheard.look(seen(5.0, 3, 0, 1)) == 3
    assert unheard.look(seen(4.9 + PATIENCE, 3, 0, 1)) == 3
    assert unheard.look(seen(5.0 + PATIENCE, 3, 0, 1)) == 0


def test_who_vanishes_again_is_waited_for_again() -> None:
    unheard = Unheard()
    unheard.look(seen(0.0, 2, 0))
    assert unheard.look(seen(10.0, 2, 0, 1)) == 0
    assert unheard.look(seen(70.0, 2, 0)) == 2
