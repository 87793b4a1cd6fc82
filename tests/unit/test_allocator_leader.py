"""The election, on clocks of the test's own and a store in memory."""

from __future__ import annotations

from typing import Any

import pytest

from allocator.leader import Elector
from allocator.store import Office
from asr_tasks.contracts.errors import BackendDown


class Record:
    """The leader's record, with the rules of campaign.lua and renew.lua (tested there)."""

    def __init__(self) -> None:
        self.holder, self.term, self.beat = "", 0, 0
        self.down = False

    async def read(self, *command: Any) -> list[str | None]:
        self._answer()
        if not self.term:
            return [None, None, None]
        return [self.holder, str(self.term), str(self.beat)]

    async def call(self, name: str, *args: Any, keys: Any) -> int:
        self._answer()
        if name == "campaign":
            seen = (str(self.term), str(self.beat)) if self.term else ("", "")
            if args[1:] != seen:
                return 0
            self.holder, self.term, self.beat = args[0], self.term + 1, 0
            return self.term
        if (self.holder, self.term) != args[:2]:
            return 0
        self.beat += 1
        if args[2] == "1":
            self.holder = ""
        return 1

    def _answer(self) -> None:
        if self.down:
            raise BackendDown


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def record() -> Record:
    return Record()


def candidate(record: Record, name: str) -> tuple[Elector, Clock]:
    clock = Clock()
    return Elector(record, "monitor", name, 2.0, clock), clock  # type: ignore[arg-type]


async def advance(elector: Elector, clock: Clock, seconds: float) -> Office | None:
    office = elector.office
    for _ in range(round(seconds / 0.5)):
        clock.now += 0.5
        office = await elector.step()
    return office


async def test_a_vacant_office_is_taken_at_once(record):
    elector, _ = candidate(record, "a")
    assert await elector.step() == Office("monitor", 1)


async def test_a_living_leader_is_left_alone(record):
    a, a_clock = candidate(record, "a")
    b, b_clock = candidate(record, "b")
    await a.step()
    for _ in range(40):
        await advance(a, a_clock, 0.5)
        assert await advance(b, b_clock, 0.5) is None
    assert a.office == Office("monitor", 1)


async def test_a_silent_leader_is_replaced_by_a_higher_term(record):
    a, a_clock = candidate(record, "a")
    b, b_clock = candidate(record, "b")
    await a.step()
    await b.step()
    assert await advance(b, b_clock, 1.5) is None
    assert await advance(b, b_clock, 1.0) == Office("monitor", 2)
    # The old one was stopped and goes on: its own clock tells it, before it has asked anyone.
    a_clock.now += 2.0
    assert a.office is None
    assert await a.step() is None
    assert await advance(a, a_clock, 1.0) is None


async def test_of_two_who_see_the_same_only_one_wins(record):
    a, _ = candidate(record, "a")
    await a.step()
    rivals = [candidate(record, name) for name in "bcd"]
    for elector, clock in rivals:
        await advance(elector, clock, 1.5)
    for elector, clock in rivals:
        await advance(elector, clock, 1.0)
    assert [elector.office for elector, _ in rivals] == [Office("monitor", 2), None, None]


async def test_a_leader_that_cannot_renew_steps_down_before_it_is_replaced(record):
    a, clock = candidate(record, "a")
    await a.step()
    record.down = True
    clock.now += 1.4
    with pytest.raises(BackendDown):
        await a.step()
    assert a.office == Office("monitor", 1)
    clock.now += 0.2
    assert a.office is None
    record.down = False
    assert await a.step() == Office("monitor", 1)  # nobody had taken it


async def test_one_who_resigns_is_followed_at_once(record):
    a, _ = candidate(record, "a")
    b, _ = candidate(record, "b")
    await a.step()
    await b.step()
    await a.resign()
    assert a.office is None
    assert await b.step() == Office("monitor", 2)
