"""Sessions whose worker does not know of them: its record is gone, or Redis lost its last second.

A worker that is alive puts itself right with its next report, so this waits a little.
"""

from __future__ import annotations

from collections.abc import Sequence

from allocator.moves import Moves
from allocator.offer import Surveyed
from allocator.policy import Standstill, astray
from allocator.store import Office


class Orphans:
    """The clocks of one term."""

    def __init__(self, moves: Moves, limit: float) -> None:
        self._moves = moves
        self._limit = limit
        self._epochs: Standstill[str, int] = Standstill()

    async def look(self, sessions: Sequence[Surveyed], now: float, office: Office) -> None:
        """Give what stays astray to another worker."""
        self._epochs.observe(astray(sessions), now)
        await self._moves.fail_over(self._epochs.overdue(self._limit, now), "orphaned", office)
