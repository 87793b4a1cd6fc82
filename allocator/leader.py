"""Leader election over Redis: a term that only rises, a beat, and the observer's own clock.

No wall clock and no expiry of a key is involved. A follower watches the record; when it has not
moved for ``ttl`` on the follower's monotonic clock, it takes over with the next term. A leader
that could not renew steps down before that, on its own clock; and one that was stopped in between
and does not know it yet is refused by every script, because its term is not the current one.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from typing import Final

from allocator.policy import Standstill
from allocator.store import Office, Store
from asr_tasks import log
from asr_tasks.contracts import names
from asr_tasks.contracts.errors import AsrError

_log = log.get("asr.leader")

RENEWALS: Final = 4
"""Renewals in one time to live."""

STEP_DOWN: Final = 0.75
"""Part of the time to live after which a leader that could not renew acts no more."""


class Elector:
    """One candidate for one office."""

    def __init__(
        self,
        store: Store,
        role: str,
        name: str,
        ttl: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Args:
        store: where the record is.
        role: what is led; names the record.
        name: of this candidate, unique.
        ttl: seconds after which a leader that shows no sign of life is replaced.
        clock: monotonic seconds.
        """
        self._store = store
        self._role = role
        self._key = names.leader_key(role)
        self._name = name
        self._ttl = ttl
        self._clock = clock
        self._record: Standstill[str, tuple[str, str, str]] = Standstill(max_gap=ttl)
        self._office: Office | None = None
        self._renewed = 0.0
        self.changed = asyncio.Event()
        """Set when the office was won or lost; the reader clears it."""

    @property
    def office(self) -> Office | None:
        """What this process may act as, right now."""
        if self._office is not None and self._clock() - self._renewed > self._ttl * STEP_DOWN:
            return None
        return self._office

    async def run(self) -> None:
        """Stand for the office until cancelled; then resign, so that a successor need not wait."""
        try:
            while True:
                try:
                    await self.step()
                except AsrError as error:
                    _log.debug("leader's record not reached", role=self._role, error=str(error))
                await asyncio.sleep(self._ttl / RENEWALS * random.uniform(0.8, 1.0))
        finally:
            await self.resign()

    async def step(self) -> Office | None:
        """Renew, or look whether the office is to be had.

        Raises:
            BackendDown: Redis does not answer.
        """
        if self._office is not None:
            await self._renew(self._office)
        else:
            await self._look()
        return self.office

    async def resign(self) -> None:
        """Leave the office, if it is held."""
        office, self._office = self._office, None
        if office is None:
            return
        self.changed.set()
        try:
            await self._store.call("renew", self._name, office.term, "1", keys=[self._key])
            _log.info("leader resigned", role=self._role, term=office.term)
        except AsrError as error:
            _log.warning("resignation not recorded", role=self._role, error=str(error))

    async def _renew(self, office: Office) -> None:
        begin = self._clock()
        if await self._store.call("renew", self._name, office.term, "0", keys=[self._key]):
            self._renewed = begin
            return
        self._office = None
        self._record.restart()
        self.changed.set()
        _log.warning("leader replaced", role=self._role, term=office.term)

    async def _look(self) -> None:
        row = await self._store.read("HMGET", self._key, "holder", "term", "beat")
        holder, term, beat = (value or "" for value in row)
        now = self._clock()
        self._record.observe({self._key: (holder, term, beat)}, now)
        if holder and self._record.age(self._key, now) < self._ttl:
            return
        begin = self._clock()
        won = int(await self._store.call("campaign", self._name, term, beat, keys=[self._key]))
        if won:
            self._office, self._renewed = Office(self._role, won), begin
            self.changed.set()
            _log.info("leader elected", role=self._role, name=self._name, term=won)
