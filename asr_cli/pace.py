"""Audio at the speed it was spoken, by the monotonic clock; the source in a thread of its own."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterator
from typing import Final

from asr_cli.audio import BYTES_PER_SECOND

AHEAD: Final = 50
"""Pieces that may be ready before they are wanted: five seconds."""


class Feed:
    """The pieces of a source that blocks, for an event loop.

    The thread is a daemon: a pipe or a microphone that says nothing keeps nobody from leaving.
    """

    def __init__(self, pieces: Iterator[bytes], *, skip: int = 0) -> None:
        """``skip``: bytes at the beginning that are not wanted."""
        self._pieces = pieces
        self._skip = skip
        self._room = threading.Semaphore(AHEAD)
        self._loop = asyncio.get_running_loop()
        self._ready: asyncio.Queue[bytes | Exception] = asyncio.Queue()
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name="audio source", daemon=True)

    def stop(self) -> None:
        """No more pieces, as if the source had ended; what is ready still comes."""
        self._stopped = True
        self._ready.put_nowait(b"")
        self._room.release()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """The pieces; raises what the source raises."""
        self._thread.start()
        try:
            while piece := await self._ready.get():
                self._room.release()
                if isinstance(piece, Exception):
                    raise piece
                yield piece
        finally:
            self.stop()

    def _run(self) -> None:
        try:
            skip = self._skip
            for piece in self._pieces:
                if skip >= len(piece):
                    skip -= len(piece)
                    continue
                self._room.acquire()
                if self._stopped:
                    return
                self._hand(piece[skip:])
                skip = 0
            self._hand(b"")
        except Exception as error:  # the loop's task raises it
            self._hand(error)

    def _hand(self, piece: bytes | Exception) -> None:
        try:
            self._loop.call_soon_threadsafe(self._ready.put_nowait, piece)
        except RuntimeError:  # the loop is closed: nobody listens any more
            self._stopped = True


async def paced(
    pieces: AsyncIterable[bytes],
    *,
    speed: float,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> AsyncIterator[bytes]:
    """The pieces, each when its last sample would have been spoken.

    The schedule counts from the first piece, so that lateness does not add up: after a pause what
    is due goes out at once.

    Args:
        pieces: PCM16LE, 16 kHz mono.
        speed: 1.0 real time; 0: as fast as they are taken.
        clock: seconds; for tests.
        sleep: seconds; for tests.
    """
    began, sent = clock(), 0
    async for piece in pieces:
        sent += len(piece)
        if speed and (early := began + sent / BYTES_PER_SECOND / speed - clock()) > 0:
            await sleep(early)
        yield piece
