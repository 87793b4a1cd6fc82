"""One call from the command line: audio out, events back to a display, the latency noted."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Callable, Iterator

from asr_cli.audio import BYTES_PER_SECOND
from asr_cli.client import Event, StreamingClient, fed
from asr_cli.pace import Feed, paced
from asr_cli.score import Latency


async def converse(
    client: StreamingClient,
    pieces: Iterator[bytes],
    *,
    latency: Latency,
    show: Callable[[Event], None],
    speed: float = 1.0,
    whole: bool = False,
    live: bool = False,
) -> None:
    """Send the pieces and show the events until the session is done.

    Args:
        client: not entered yet.
        pieces: PCM16LE, 16 kHz mono; may block.
        latency: is told when the audio began and what came.
        show: is given each event.
        speed: 1.0 real time; 0: as fast as they are taken.
        whole: the pieces are a resumed session's from its beginning: what it has is left out.
        live: the first interrupt (Ctrl-C) ends the speech, not the conversation.

    Raises:
        AsrError: the session is over without success.
        Unreadable: the source broke; what came before has been shown.
    """

    async def source() -> AsyncIterator[bytes]:
        position = await client.opened() if whole else 0
        feed = Feed(pieces, skip=position)
        with _interruptible(feed) if live else contextlib.nullcontext():
            async for piece in paced(feed, speed=speed):
                position += len(piece)
                latency.start(position / BYTES_PER_SECOND)
                yield piece

    async with client, fed(client, source()):
        async for event in client:
            latency.see(event)
            show(event)


@contextlib.contextmanager
def _interruptible(feed: Feed) -> Iterator[None]:
    loop = asyncio.get_running_loop()

    def stop() -> None:
        loop.remove_signal_handler(signal.SIGINT)  # the second one ends everything
        feed.stop()

    loop.add_signal_handler(signal.SIGINT, stop)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGINT)
