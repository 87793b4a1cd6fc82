"""Pure decisions, on a clock of the test's own."""

from __future__ import annotations

from allocator.offer import Surveyed
from allocator.policy import Standstill, astray, has_stable_name, wait_limit


def test_what_moves_is_alive():
    beats: Standstill[str, int] = Standstill()
    for tick in range(20):
        beats.observe({"moving": tick, "still": 7}, tick * 0.5)
    assert beats.age("moving", 9.5) == 0.0
    assert beats.overdue(3.0, 9.5) == [("still", 7)]


def test_an_observer_that_did_not_look_judges_nobody():
    beats: Standstill[str, int] = Standstill(max_gap=1.0)
    beats.observe({"worker": 1}, 0.0)
    beats.observe({"worker": 1}, 30.0)  # it was stopped, or Redis was away
    assert beats.overdue(3.0, 30.0) == []
    for now in (30.5, 31.5, 32.5, 33.5):
        beats.observe({"worker": 1}, now)
    assert beats.overdue(3.0, 33.5) == [("worker", 1)]


def test_what_is_gone_is_forgotten():
    beats: Standstill[str, int] = Standstill()
    beats.observe({"worker": 1}, 0.0)
    beats.observe({}, 0.5)
    beats.observe({"worker": 1}, 1.0)
    assert beats.age("worker", 1.0) == 0.0
    assert beats.age("nobody", 1.0) == 0.0


def test_the_oldest_comes_first():
    beats: Standstill[str, int] = Standstill()
    beats.observe({"a": 1}, 0.0)
    beats.observe({"a": 1, "b": 1}, 1.0)
    assert [name for name, _ in beats.overdue(0.5, 2.0)] == ["a", "b"]


def test_a_session_that_was_heard_waits_longer():
    fresh = Surveyed("s", "waiting", 0, "english", claimed=False, placed=True)
    heard = Surveyed("s", "waiting", 3, "english", claimed=True, placed=True)
    assert wait_limit(fresh, first=60, again=600) == 60
    assert wait_limit(heard, first=60, again=600) == 600


def test_a_waiting_session_is_not_astray():
    sessions = [
        Surveyed("waits", "waiting", 1, "english", claimed=True, placed=False),
        Surveyed("held", "assigned", 2, "english", claimed=True, placed=True),
        Surveyed("lost", "streaming", 3, "english", claimed=True, placed=False),
    ]
    assert astray(sessions) == {"lost": 3}


def test_a_name_with_an_ordinal_comes_back():
    assert has_stable_name("worker-english-3")
    assert not has_stable_name("laptop")
    assert not has_stable_name("worker-english-3f9c")
