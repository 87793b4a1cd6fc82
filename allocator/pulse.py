"""A replica's own sign of life.

Workers beat through the allocators. When none of these runs, every worker's beat stands still at
once, and that says nothing about the workers: the monitor judges them only while a pulse beats.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Final

from allocator.store import Store
from asr_tasks import log
from asr_tasks.contracts.errors import AsrError
from asr_tasks.contracts.names import ALLOCATORS_KEY

_log = log.get("asr.allocator")

INTERVAL: Final = 0.5
"""Seconds between two beats."""


class Pulse:
    """Beats from its creation until it is closed."""

    def __init__(self, store: Store, name: str, turned: Callable[[bool], Awaitable[None]]) -> None:
        """Args:
        store: where it beats.
        name: of this replica.
        turned: told whether Redis answers, whenever that has changed.
        """
        self._store = store
        self._name = name
        self._turned = turned
        self._task = asyncio.create_task(self._beat(), name="allocator-pulse")

    async def close(self) -> None:
        """Stop, and leave the list."""
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        try:
            await self._store.read("HDEL", ALLOCATORS_KEY, self._name)
        except AsrError as error:
            _log.warning("pulse stays behind", name=self._name, error=str(error))

    async def _beat(self) -> None:
        well: bool | None = None
        while True:
            before, error = well, ""
            try:
                await self._store.read("HINCRBY", ALLOCATORS_KEY, self._name, 1)
                well = True
            except AsrError as down:
                well, error = False, str(down)
            if well is not before:
                if not well:
                    _log.warning("redis does not answer", error=error)
                await self._turned(well)
            await asyncio.sleep(INTERVAL)
