"""Sessions that were assigned and that nobody claims: the dispatch or its worker was lost."""

from __future__ import annotations

from collections.abc import Sequence

from allocator.moves import Moves
from allocator.offer import Surveyed
from allocator.policy import Standstill
from allocator.store import Office


class Claims:
    """The clocks of one term."""

    def __init__(self, moves: Moves, limit: float) -> None:
        self._moves = moves
        self._limit = limit
        self._epochs: Standstill[str, int] = Standstill()

    async def look(self, sessions: Sequence[Surveyed], now: float, office: Office) -> None:
        """Give what is overdue to another worker (or, with no other free, the same again)."""
        self._epochs.observe({s.session: s.epoch for s in sessions if s.state == "assigned"}, now)
        await self._moves.fail_over(self._epochs.overdue(self._limit, now), "unclaimed", office)
