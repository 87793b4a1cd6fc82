"""What happens next: a calendar queue (Brown, 1988).

A heap of 100,000 future ends costs more than everything else a call does; here a future event is
appended to the list of its bucket of time, and each list is sorted once, when its time comes.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable
from typing import Final

Event = tuple[float, int, int]
"""When; what: an arriving call's number, the complement (``~``) of an ending one's, or the number
of an action; and for an end the ordinal that the call began on."""
Action = Callable[[float], None]

ACTIONS: Final = 1 << 48
"""Numbers from here on are actions."""


class Agenda:
    """Future events in buckets of ``width`` seconds, up to ``until``; what comes later is dropped.

    Attributes:
        due: the events of the current bucket, in order. It grows while it is worked through: an
            event of this bucket is put in its place behind the present one.
    """

    def __init__(self, width: float, until: float) -> None:
        self.width = width
        self.until = until
        self.due: list[Event] = []
        self.current = -1
        self.buckets: list[list[Event]] = [[] for _ in range(int(until / width) + 1)]
        self._actions: dict[int, Action] = {}
        self._next = ACTIONS

    def add(self, time: float, code: int, ordinal: int = -1) -> None:
        """Let something happen at ``time``, not before the present event."""
        bucket = int(time / self.width)
        if bucket <= self.current:
            insort(self.due, (time, code, ordinal))
        elif time < self.until:
            self.buckets[bucket].append((time, code, ordinal))

    def call(self, time: float, action: Action) -> None:
        """Let ``action`` be called at ``time``."""
        self._actions[self._next] = action
        self.add(time, self._next)
        self._next += 1

    def act(self, code: int, time: float) -> None:
        """Call an action, once."""
        self._actions.pop(code)(time)

    def open(self, bucket: int, arrivals: list[Event]) -> list[Event]:
        """Go on to a bucket, which these ``arrivals`` join; returns :attr:`due`."""
        self.current = bucket
        self.due, self.buckets[bucket] = self.buckets[bucket], []
        self.due += arrivals
        self.due.sort()
        return self.due
