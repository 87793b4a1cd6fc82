"""Calls to the system: recordings, spoken at the speed of speech through the product's client."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from asr_cli import audio
from asr_cli.client import Event, Final, Ready, Reconnecting, StreamingClient
from asr_cli.pace import Feed, paced

RECORDINGS = Path(__file__).parents[2] / "models" / "english" / "recordings"


@dataclass(slots=True)
class Call:
    """What a caller got."""

    session: str = ""
    finals: list[Final] = field(default_factory=list)
    breaks: int = 0
    events: list[Event] = field(default_factory=list)

    @property
    def text(self) -> list[str]:
        """The finals' texts."""
        return [final.text for final in self.finals]

    @property
    def words(self) -> list[tuple[str, float, float]]:
        """Every word and its times."""
        return [(w["text"], w["start"], w["end"]) for final in self.finals for w in final.words]


def recordings() -> list[bytes]:
    """Sixteen different recordings, PCM16LE at 16 kHz: the committed ones, and pairs of them."""
    single = [b"".join(audio.read(str(path))) for path in sorted(RECORDINGS.glob("call-*.flac"))]
    pause = bytes(audio.BYTES_PER_SECOND)
    second = 8 * audio.BYTES_PER_SECOND
    pairs = [
        one[:second] + pause + other[:second]
        for i, one in enumerate(single)
        for other in single[i + 1 :]
    ]
    return [*single, *pairs][:16]


async def call(
    urls: Sequence[str],
    pcm: bytes,
    *,
    speed: float = 1.0,
    on_event: Callable[[Event], None] = lambda _: None,
    model: str = "english",
    **parameters: Any,
) -> Call:
    """One caller: speaks, listens, hangs up when everything is said."""
    pieces = iter([pcm[at : at + audio.PIECE] for at in range(0, len(pcm), audio.PIECE)])
    made = Call()
    async with StreamingClient(urls, model=model, **parameters) as client:

        async def speak() -> None:
            async for piece in paced(Feed(pieces), speed=speed):
                await client.send(piece)
            await client.end()

        speaking = asyncio.create_task(speak())
        try:
            async for event in client:
                made.events.append(event)
                if isinstance(event, Ready):
                    made.session = event.session
                if isinstance(event, Final):
                    made.finals.append(event)
                made.breaks += isinstance(event, Reconnecting)
                on_event(event)
            await speaking
        finally:
            speaking.cancel()
            await asyncio.gather(speaking, return_exceptions=True)
    return made
