"""Audio at the speed it was spoken, by the monotonic clock."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator

from asr_cli.audio import BYTES_PER_SECOND


async def paced(pieces: Iterator[bytes], *, speed: float) -> AsyncIterator[bytes]:
    """The pieces, each when its last sample would have been spoken.

    Args:
        pieces: PCM16LE, 16 kHz mono; decoded in a thread of their own.
        speed: 1.0 real time; 0: as fast as they are taken.
    """
    began, sent = time.monotonic(), 0
    while piece := await asyncio.to_thread(next, pieces, b""):
        sent += len(piece)
        if speed:
            due = began + sent / BYTES_PER_SECOND / speed
            await asyncio.sleep(max(0.0, due - time.monotonic()))
        yield piece
