"""Workers that hang: their beat stands still, whatever their connection looks like."""

from __future__ import annotations

from collections.abc import Mapping

from allocator.monitor.suspects import bury
from allocator.moves import Moves
from allocator.policy import Standstill
from allocator.pulse import INTERVAL
from allocator.store import Office
from asr_tasks import log
from asr_tasks.contracts.names import ALLOCATORS_KEY

_log = log.get("asr.monitor")

PULSE_LIMIT = 3 * INTERVAL
"""Seconds without a beat after which an allocator is away."""

PULSE_FORGOTTEN = 60.0
"""Seconds after which the counter of an allocator that died is removed."""


class Beats:
    """The clocks of one term."""

    def __init__(self, moves: Moves, silence: float, grace: float) -> None:
        self._moves = moves
        self._silence = silence
        self._grace = grace
        self._beats: Standstill[str, str] = Standstill()
        self._suspects: Standstill[str, str] = Standstill()
        self._pulses: Standstill[str, str] = Standstill()

    async def look(
        self, workers: Mapping[str, Mapping[str, str]], now: float, office: Office
    ) -> None:
        """Judge every worker by its record."""
        self._suspects.observe(
            {name: record["suspect"] for name, record in workers.items() if record.get("suspect")},
            now,
        )
        self._beats.observe(
            {
                name: record["beat"]
                for name, record in workers.items()
                if record.get("state", "gone") != "gone"
            },
            now,
        )
        if not await self._allocator_beats(now):
            # Workers beat through the allocators: with none there, silence says nothing.
            self._beats.restart()
        for name, record in workers.items():
            if record.get("state", "gone") == "gone":
                await self._gone(name, "state", record.get("state", ""), "left over", office)
        # The channel tells of suspects at once; this is for those told while nobody led.
        for name, stream in self._suspects.overdue(self._grace, now):
            await self._gone(name, "suspect", stream, "stream broke", office)
        for name, beat in self._beats.overdue(self._silence, now):
            await self._gone(name, "beat", beat, "hangs", office)

    async def _gone(self, worker: str, field: str, value: str, why: str, office: Office) -> None:
        lost = await self._moves.store.declare_gone(worker, field, value, office)
        if lost is not None:
            await bury(self._moves, worker, lost, why, office)

    async def _allocator_beats(self, now: float) -> bool:
        flat = await self._moves.store.read("HGETALL", ALLOCATORS_KEY)
        self._pulses.observe(flat, now)
        for name, _ in self._pulses.overdue(PULSE_FORGOTTEN, now):
            await self._moves.store.read("HDEL", ALLOCATORS_KEY, name)
        return any(self._pulses.age(name, now) < PULSE_LIMIT for name in flat)
