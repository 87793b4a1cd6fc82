"""Pure decisions: no I/O, no clock of their own; time is what the caller's monotonic clock says."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable, Mapping
from typing import Generic, TypeVar

from allocator.offer import Surveyed

_Key = TypeVar("_Key", bound=Hashable)
_Value = TypeVar("_Value")

_STABLE = re.compile(r"-\d+$")


class Standstill(Generic[_Key, _Value]):
    """How long each of some values has not changed, by the observer's own clock.

    Nobody's timestamps are compared: a value that moves is a sign of life, whatever it is.
    When the observer itself has not looked for longer than ``max_gap`` (it was stopped, or Redis
    did not answer), nothing could have moved before its eyes: all clocks start again.
    """

    def __init__(self, max_gap: float = 1.0) -> None:
        self._max_gap = max_gap
        self._since: dict[_Key, tuple[_Value, float]] = {}
        self._looked: float | None = None

    def observe(self, values: Mapping[_Key, _Value], now: float) -> None:
        """Take note of what is there; what is not any more is forgotten."""
        if self._looked is not None and now - self._looked > self._max_gap:
            self._since.clear()
        self._looked = now
        self._since = {
            key: known
            if (known := self._since.get(key)) is not None and known[0] == value
            else (value, now)
            for key, value in values.items()
        }

    def restart(self) -> None:
        """All clocks start again at the next look."""
        self._since.clear()

    def age(self, key: _Key, now: float) -> float:
        """Seconds for which the value has been what it is; 0 if unknown."""
        known = self._since.get(key)
        return 0.0 if known is None else now - known[1]

    def overdue(self, limit: float, now: float) -> list[tuple[_Key, _Value]]:
        """What has not changed for at least ``limit`` seconds, oldest first."""
        late = [
            (since, key, value)
            for key, (value, since) in self._since.items()
            if now - since >= limit
        ]
        late.sort(key=lambda entry: entry[0])
        return [(key, value) for _, key, value in late]


def wait_limit(session: Surveyed, *, first: float, again: float) -> float:
    """Seconds a session may be without a worker: ``again`` once one has read its audio."""
    return again if session.claimed else first


def astray(sessions: Iterable[Surveyed]) -> dict[str, int]:
    """Sessions whose worker does not have them: id → epoch."""
    return {s.session: s.epoch for s in sessions if not s.placed and s.state != "waiting"}


def has_stable_name(worker: str) -> bool:
    """Whether the name will come back (a StatefulSet's ordinal), and its queue with it."""
    return _STABLE.search(worker) is not None
