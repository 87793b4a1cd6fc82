"""The audio a client must keep: what the service has not yet said it has."""

from __future__ import annotations

import asyncio


class Unsent:
    """A window on the client's byte stream, from the last accepted byte to the newest.

    Used in one event loop. :meth:`put` waits while the window is full, so memory is bounded and
    whoever produces the audio feels the back-pressure.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._data = bytearray()
        self._changed = asyncio.Condition()
        self._closed: Exception | None = None
        self.start = 0
        """Offset of the oldest byte that is kept."""
        self.ended = False
        """No more will be put."""

    @property
    def end(self) -> int:
        """Offset just after the newest byte."""
        return self.start + len(self._data)

    def begin(self, offset: int) -> None:
        """Count from here: everything before was sent by somebody else."""
        self.start = offset

    def check(self) -> None:
        """Raise what the window was closed with, if it was."""
        if self._closed is not None:
            raise self._closed

    async def close(self, error: Exception) -> None:
        """Nothing is wanted any more: :meth:`put` raises ``error``, the waiting one too."""
        async with self._changed:
            self._closed = error
            self._changed.notify_all()

    async def put(self, data: bytes) -> None:
        """Append; waits for room."""
        async with self._changed:
            await self._changed.wait_for(
                lambda: self._closed or not self._data or len(self._data) + len(data) <= self._limit
            )
            self.check()
            self._data += data
            self._changed.notify_all()

    async def finish(self) -> None:
        """There will be no more."""
        async with self._changed:
            self.ended = True
            self._changed.notify_all()

    async def accept(self, offset: int) -> None:
        """The service has everything before ``offset``: forget it."""
        async with self._changed:
            drop = min(max(0, offset - self.start), len(self._data))
            if drop:
                del self._data[:drop]
                self.start += drop
                self._changed.notify_all()

    async def after(self, offset: int, most: int) -> bytes:
        """Up to ``most`` bytes from ``offset``; waits for them. Empty: the end."""
        async with self._changed:
            await self._changed.wait_for(lambda: self.ended or self.end > offset)
            begin = offset - self.start
            return bytes(self._data[begin : begin + most])
