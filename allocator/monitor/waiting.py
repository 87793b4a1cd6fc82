"""Sessions without a worker: served when a slot is free, ended when they have waited too long."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from allocator.moves import Moves
from allocator.offer import Surveyed
from allocator.policy import Standstill, wait_limit
from allocator.store import Office
from asr_tasks import log
from asr_tasks.contracts.errors import NoWorker

_log = log.get("asr.monitor")


class WaitingSessions:
    """The clocks of one term."""

    def __init__(self, moves: Moves, first: float, again: float) -> None:
        self._moves = moves
        self._first = first
        self._again = again
        # Only that a session is without a worker: that it was offered one in between, which did
        # not take it, does not start its clock again.
        self._idle: Standstill[str, None] = Standstill()

    async def look(self, sessions: Sequence[Surveyed], now: float, office: Office) -> None:
        """Serve those who can be; end those whose limit has passed."""
        without = {s.session: s for s in sessions if s.state in ("waiting", "assigned")}
        self._idle.observe(dict.fromkeys(without), now)
        await self.serve({s.model for s in without.values() if s.state == "waiting"}, office)
        for session, _ in self._idle.overdue(min(self._first, self._again), now):
            surveyed = without[session]
            limit = wait_limit(surveyed, first=self._first, again=self._again)
            if self._idle.age(session, now) >= limit:
                await self._end(surveyed, office)

    async def serve(self, models: Iterable[str], office: Office) -> None:
        """Give free slots of these models to those who wait."""
        for model in models:
            if model:
                await self._moves.serve(model, office)

    async def _end(self, session: Surveyed, office: Office) -> None:
        ended = await self._moves.store.cancel(
            session.session, NoWorker.code, NoWorker.hint, unclaimed=session.epoch, office=office
        )
        if ended:
            _log.warning("session waited too long", session=session.session, model=session.model)
