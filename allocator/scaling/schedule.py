"""A week's timetable of free slots that must be there, whatever the forecast says."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from asr_tasks.configuration import ConfigurationError

WEEK: Final = 168.0
_DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_ENTRY: Final = re.compile(
    r"(?P<first>[a-z]{3})(?:-(?P<last>[a-z]{3}))?\s+"
    r"(?P<start>\d{1,2}:\d{2})-(?P<end>\d{1,2}:\d{2})\s*=\s*(?P<slots>\d+)"
)


@dataclass(frozen=True, slots=True)
class Period:
    """Some hours of the week.

    Attributes:
        start, end: hours since Monday, midnight; an end beyond 168 runs into the next Monday.
        free_slots: at least so many must be free in them.
    """

    start: float
    end: float
    free_slots: int

    def touches(self, first: float, last: float) -> bool:
        """Whether any moment from ``first`` to ``last`` (hours, at most a week apart) is in it."""
        return any(
            self.start + shift <= last and first < self.end + shift for shift in (-WEEK, 0.0, WEEK)
        )


@dataclass(frozen=True, slots=True)
class Schedule:
    """Periods; where they overlap, the most demanding one counts."""

    periods: tuple[Period, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Schedule:
        """Read ``mon-fri 08:00-18:00 = 40; sat 22:00-02:00 = 5``.

        Entries are separated by semicolons or line ends; days are the first three letters of
        their English names; an end that is not after its start is on the next day.

        Raises:
            ConfigurationError: an entry that cannot be read; says which.
        """
        entries = (entry.strip() for entry in re.split(r"[;\n]", text.lower()))
        return cls(tuple(period for entry in entries if entry for period in _periods(entry)))

    def free_slots(self, hour: float, ahead: float = 0.0) -> int:
        """The most that any period asks for from ``hour`` until ``ahead`` hours later."""
        return max(
            (each.free_slots for each in self.periods if each.touches(hour, hour + ahead)),
            default=0,
        )


def _periods(entry: str) -> Iterable[Period]:
    match = _ENTRY.fullmatch(entry)
    if match is None:
        raise ConfigurationError(f"schedule: {entry!r} is not like 'mon-fri 08:00-18:00 = 40'")
    first, last = _day(match["first"], entry), _day(match["last"] or match["first"], entry)
    start, end = _hours(match["start"], entry), _hours(match["end"], entry)
    length = end - start if end > start else end - start + 24.0
    for day in range(first, (last if last >= first else last + 7) + 1):
        begins = day % 7 * 24.0 + start
        yield Period(begins, begins + length, int(match["slots"]))


def _day(name: str, entry: str) -> int:
    if name not in _DAYS:
        raise ConfigurationError(f"schedule: no day is called {name!r}, in {entry!r}")
    return _DAYS.index(name)


def _hours(clock: str, entry: str) -> float:
    hours, minutes = map(int, clock.split(":"))
    if minutes > 59 or hours * 60 + minutes > 24 * 60:
        raise ConfigurationError(f"schedule: {clock} is no time of day, in {entry!r}")
    return hours + minutes / 60.0
