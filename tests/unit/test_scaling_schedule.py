"""The timetable."""

from __future__ import annotations

import pytest

from allocator.scaling.schedule import Schedule
from asr_tasks.configuration import ConfigurationError

MONDAY, FRIDAY, SATURDAY, SUNDAY = 0.0, 96.0, 120.0, 144.0


def test_days_hours_and_overlaps_are_what_they_say() -> None:
    schedule = Schedule.parse("mon-fri 08:00-18:00 = 40; fri 17:00-20:00=60\nsat 9:30-12:00 = 5")
    assert schedule.free_slots(MONDAY + 7.99) == 0
    assert schedule.free_slots(MONDAY + 8.0) == 40
    assert schedule.free_slots(FRIDAY + 17.5) == 60
    assert schedule.free_slots(FRIDAY + 18.0) == 60
    assert schedule.free_slots(FRIDAY + 20.0) == 0
    assert schedule.free_slots(SATURDAY + 9.5) == 5


def test_it_looks_ahead_also_over_the_end_of_the_week() -> None:
    schedule = Schedule.parse("mon 00:00-01:00 = 7")
    assert schedule.free_slots(SUNDAY + 23.5) == 0
    assert schedule.free_slots(SUNDAY + 23.5, ahead=0.5) == 7


def test_a_night_goes_on_after_midnight_and_a_span_of_days_over_the_weekend() -> None:
    schedule = Schedule.parse("fri-mon 22:00-02:00 = 3")
    for day in (FRIDAY, SATURDAY, SUNDAY, MONDAY):
        assert schedule.free_slots(day + 23.0) == 3
        assert schedule.free_slots((day + 25.0) % 168.0) == 3
    assert schedule.free_slots(FRIDAY + 1.0) == 0


def test_nothing_is_a_schedule_too() -> None:
    assert Schedule.parse(" ; \n").free_slots(12.0) == 0


@pytest.mark.parametrize(
    "text", ["monday 8-18 = 4", "mon 08:00-18:00", "xyz 08:00-18:00 = 4", "mon 08:00-25:00 = 4"]
)
def test_what_cannot_be_read_is_named(text: str) -> None:
    with pytest.raises(ConfigurationError, match="schedule"):
        Schedule.parse(text)
