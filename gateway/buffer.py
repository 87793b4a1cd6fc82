"""Decoded audio of one session between the client and the broker; the place where it waits."""

from __future__ import annotations

import asyncio
from typing import Final

from asr_tasks.contracts.audio import BYTES_PER_SAMPLE, SAMPLE_RATE

_SECOND: Final = SAMPLE_RATE * BYTES_PER_SAMPLE
LIMIT: Final = 2 * _SECOND
"""Bytes from which on :meth:`AudioBuffer.put` waits."""
CHUNK: Final = _SECOND // 10
"""Bytes of a usual chunk: 100 ms."""
MAX_CHUNK: Final = _SECOND // 2
"""Bytes of a chunk when audio comes faster than the broker confirms it: fewer, larger messages."""
FLUSH_SECONDS: Final = 0.1
"""How long less than a chunk waits for more."""


class AudioBuffer:
    """A bounded byte queue: one writer, one reader, both in the event loop."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._ended = False
        self._closed = False
        self._grown = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()

    async def put(self, pcm: bytes) -> None:
        """Append, after waiting until there is room; dropped silently once closed."""
        while not self._room.is_set() and not self._closed:
            await self._room.wait()
        if not self._closed and pcm:
            self._data += pcm
            if len(self._data) >= LIMIT:
                self._room.clear()
            self._grown.set()

    def end(self) -> None:
        """No more audio comes: the reader gets the rest, then None."""
        self._ended = True
        self._grown.set()

    def close(self) -> None:
        """Drop everything; writer and reader are released."""
        self._closed = self._ended = True
        self._data.clear()
        self._room.set()
        self._grown.set()

    async def take(self, quiet_seconds: float) -> bytes | None:
        """The next chunk's samples.

        Returns:
            Whole samples; empty when nothing came for ``quiet_seconds``; None after the end.
        """
        while len(self._data) < CHUNK and not self._ended:
            self._grown.clear()
            try:
                async with asyncio.timeout(FLUSH_SECONDS if self._data else quiet_seconds):
                    await self._grown.wait()
            except TimeoutError:
                break
        if not self._data:
            return None if self._ended else b""
        size = min(len(self._data), MAX_CHUNK)
        pcm = bytes(self._data[:size])
        del self._data[:size]
        if len(self._data) < LIMIT:
            self._room.set()
        return pcm
