"""Decoded audio of one session between the client and the broker; the place where it waits."""

from __future__ import annotations

import asyncio
from typing import Final

from asr_tasks.contracts.audio import BYTES_PER_SAMPLE, SAMPLE_RATE

_SECOND: Final = SAMPLE_RATE * BYTES_PER_SAMPLE
LIMIT: Final = 2 * _SECOND
"""Bytes from which on :meth:`AudioBuffer.put` waits."""
CHUNK: Final = _SECOND // 10
"""Bytes of a usual chunk where the recogniser takes whatever comes: 100 ms."""
MAX_CHUNK: Final = 3 * _SECOND // 5
"""Bytes of the largest chunk, 600 ms: a frame of the usual latency mode (560 ms) fits."""
FLUSH_SECONDS: Final = 0.1
"""How long less than a chunk waits for what is overdue."""


class AudioBuffer:
    """A bounded byte queue: one writer, one reader, both in the event loop.

    A recogniser takes audio in frames; a part of one only costs a message. So chunks end where
    frames end, which delays no result. A frame longer than the largest chunk is cut evenly.

    Args:
        position: of the first sample that will be put, in the session.
        frame: samples the recogniser takes in at a time, counted from the session's start;
            0: whatever comes.
    """

    def __init__(self, position: int = 0, frame: int = 0) -> None:
        pieces = -(-frame * BYTES_PER_SAMPLE // MAX_CHUNK)
        self._frame = frame * BYTES_PER_SAMPLE
        self._piece = -(-frame // pieces) * BYTES_PER_SAMPLE if pieces else 0
        self._at = position * BYTES_PER_SAMPLE
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
        loop = asyncio.get_running_loop()
        quiet_until, due = loop.time() + quiet_seconds, None
        while (missing := self._missing()) > 0 and not self._ended:
            if self._data and due is None:
                due = loop.time() + missing / _SECOND + FLUSH_SECONDS
            self._grown.clear()
            try:
                async with asyncio.timeout_at(quiet_until if due is None else due):
                    await self._grown.wait()
            except TimeoutError:
                break
        if not self._data:
            return None if self._ended else b""
        size = self._whole()
        pcm = bytes(self._data[:size])
        del self._data[:size]
        self._at += size
        if len(self._data) < LIMIT:
            self._room.set()
        return pcm

    def _missing(self) -> int:
        """Bytes to come before a chunk is worth its message."""
        if not self._frame:
            return CHUNK - len(self._data)
        within = self._at % self._frame
        boundary = min((within // self._piece + 1) * self._piece, self._frame)
        return boundary - within - len(self._data)

    def _whole(self) -> int:
        """Bytes of the next chunk: whole pieces as far as they are there, else all."""
        size = min(len(self._data), MAX_CHUNK)
        if not self._frame:
            return size
        over = (self._at + size) % self._frame % self._piece
        return size - over if over < size else size
