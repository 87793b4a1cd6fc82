"""``/client/ws/status`` of the kaldi protocol: how many workers are free, and every change."""

from __future__ import annotations

import asyncio
import json
from typing import Final

from aiohttp import web

from asr_tasks.contracts.errors import AsrError
from gateway.connection import Connection
from gateway.outlet import ClientGone
from gateway.registry import Registry
from gateway.services import Services
from gateway.stopping import stop

_LOOK_SECONDS: Final = 1.0


class Board:
    """One per gateway; looks only while somebody watches. Close it."""

    def __init__(self, registry: Registry, services: Services) -> None:
        self._registry = registry
        self._services = services
        self._watchers: dict[Connection, asyncio.Queue[str]] = {}
        self._task: asyncio.Task[None] | None = None
        self._last = ""

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Serve one watcher for as long as it stays."""
        connection = Connection(self._services.settings)
        await connection.open(request)
        queue: asyncio.Queue[str] = asyncio.Queue(maxsize=4)
        sender = asyncio.create_task(self._send(connection, queue), name="kaldi status sender")
        # Nothing is awaited from here to the try: whoever comes meanwhile finds the task, and
        # whoever is cancelled leaves no watcher behind.
        self._watchers[connection] = queue
        if self._task is None or self._task.done():
            self._last = ""  # the first look is news to everybody
            self._task = asyncio.create_task(self._watch(), name="kaldi status")
        elif self._last:
            queue.put_nowait(self._last)
        try:
            while await connection.receive() is not None:
                continue  # the old server ignores what status clients say
        finally:
            del self._watchers[connection]
            await stop([sender])
        return connection.ws

    async def close(self) -> None:
        """Stop watching."""
        if self._task is not None:
            await stop([self._task])

    async def _watch(self) -> None:
        while self._watchers:
            line = await self._line()
            if line != self._last:
                self._last = line
                for queue in self._watchers.values():
                    if not queue.full():  # a watcher that does not read misses a figure
                        queue.put_nowait(line)
            await asyncio.sleep(_LOOK_SECONDS)

    async def _line(self) -> str:
        try:
            free = await self._services.store.free_slots()
        except AsrError:
            free = 0
        return json.dumps(
            {"num_workers_available": free, "num_requests_processed": self._registry.processed}
        )

    @staticmethod
    async def _send(connection: Connection, queue: asyncio.Queue[str]) -> None:
        try:
            while True:
                await connection.send(await queue.get())
        except ClientGone:
            return
