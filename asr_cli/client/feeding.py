"""Audio from a source, sent while somebody else reads the events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Protocol

from asr_tasks.contracts.errors import AsrError


class Sender(Protocol):
    """What audio is given to."""

    async def send(self, pcm: bytes) -> None:
        """Append audio."""
        ...

    async def end(self) -> None:
        """Say that it is over."""
        ...


@asynccontextmanager
async def fed(client: Sender, pieces: AsyncIterator[bytes]) -> AsyncIterator[None]:
    """Send the pieces, then the end, while the block reads the client's events.

    A source that breaks ends the stream there: what was heard before still gets its text, and the
    source's error is raised after the block.
    """

    async def feed() -> None:
        try:
            async for piece in pieces:
                await client.send(piece)
        except Exception:
            await client.end()
            raise
        await client.end()

    feeding = asyncio.create_task(feed(), name="feed")
    try:
        yield
    finally:
        feeding.cancel()
        (outcome,) = await asyncio.gather(feeding, return_exceptions=True)
    # The session's own end is told by its events.
    if isinstance(outcome, Exception) and not isinstance(outcome, AsrError):
        raise outcome
