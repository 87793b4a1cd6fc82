"""Finished audio in, finals out: the whole of a session in one call."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from asr_cli.client.events import Final
from asr_cli.client.feeding import fed
from asr_cli.client.streaming import StreamingClient


async def transcribe(
    urls: Sequence[str], pcm: bytes | Iterable[bytes], *, model: str, **parameters: Any
) -> list[Final]:
    """The finals of finished audio (16 kHz mono PCM16LE), sent as fast as it is taken.

    Args:
        urls: of gateways.
        pcm: all of it, or pieces of it; those are made as they are needed, in a thread.
        model: the catalogue's name.
        parameters: as the client's.

    Raises:
        AsrError: as the stream's.
    """
    pieces = iter([pcm] if isinstance(pcm, bytes) else pcm)
    client = StreamingClient(urls, model=model, **parameters)
    async with client, fed(client, _in_thread(pieces)):
        return [event async for event in client if isinstance(event, Final)]


def transcribe_file(
    path: str | Path, url: str, *, model: str = "english", **parameters: Any
) -> list[Final]:
    """The finals of a recording of any format; for programs without an event loop.

    Needs the package's ``cli`` extra, which reads audio.

    Raises:
        asr_cli.audio.Unreadable: missing, or not audio.
        AsrError: as the stream's.
    """
    # Not at the top: whoever sends PCM needs no FFmpeg.
    from asr_cli import audio

    return asyncio.run(transcribe([url], audio.read(str(path)), model=model, **parameters))


async def _in_thread(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    while piece := await asyncio.to_thread(next, pieces, b""):
        yield piece
