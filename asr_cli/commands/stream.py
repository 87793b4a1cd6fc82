"""`asr stream`: audio to a gateway, words back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import click
from rich.console import Console

from asr_cli import audio
from asr_cli.client import Event, StreamingClient
from asr_cli.display import choose
from asr_cli.pace import paced

DEFAULT_URL = "http://127.0.0.1:8080"


@click.command()
@click.argument("source", required=False, metavar="[FILE|-]")
@click.option("--mic", is_flag=True, help="Speak into the default microphone instead of a file.")
@click.option(
    "--url",
    "urls",
    multiple=True,
    metavar="URL",
    help=f"A gateway; may be given several times, any of them will do.  [default: {DEFAULT_URL}]",
)
@click.option("--model", default="english", show_default=True, help="See `asr models`.")
@click.option("--language", default="", help="For models of several languages.")
@click.option("--client", default="", help="Who is calling, for the people who run the service.")
@click.option("--priority", type=click.IntRange(-9, 9), default=0, help="Higher waits less.")
@click.option("--rate", type=int, default=0, help="The source is raw 16-bit samples at this rate.")
@click.option("--channels", type=int, default=1, help="Channels of raw samples.")
@click.option("--fast", is_flag=True, help="As fast as it goes, not at the speed of speech.")
@click.option("--json", "machine", is_flag=True, help="One JSON object a line, for machines.")
@click.option("--partials/--no-partials", default=True, help="Show text that may still change.")
@click.option("--session", default="", help="Use this id (a UUID) for the session.")
def stream(
    source: str | None,
    mic: bool,
    urls: tuple[str, ...],
    model: str,
    language: str,
    client: str,
    priority: int,
    rate: int,
    channels: int,
    fast: bool,
    machine: bool,
    partials: bool,
    session: str,
) -> None:
    """Send audio to a gateway and show the words as they are recognised.

    FILE is anything FFmpeg reads (wav, flac, mp3, ogg/opus, m4a, video too), of any rate and
    number of channels; - is standard input. A connection that breaks is made again, to any of the
    gateways, and nothing is lost.

    \b
    asr stream call.flac
    asr stream --mic --model english
    ffmpeg -i rtsp://… -f s16le -ac 1 -ar 8000 - | asr stream - --rate 8000
    asr stream call.flac --fast --json | jq -r 'select(.event=="final").text'

    Exit status: 0 done; 1 the service gave up, with the reason's code; 2 wrong usage or unreadable
    audio; 130 interrupted.
    """
    if mic == (source is not None):
        raise click.UsageError("give a FILE, or - for standard input, or --mic")
    pieces = audio.microphone() if mic else audio.read(str(source), rate=rate, channels=channels)
    console = Console(highlight=False, soft_wrap=True)
    parameters: dict[str, Any] = {
        "language": language,
        "client": client,
        "priority": priority,
        "partials": partials,
    }
    with choose(console, machine=machine, partials=partials) as display:
        work = _stream(
            StreamingClient(urls or (DEFAULT_URL,), model=model, session=session, **parameters),
            _first(pieces),
            speed=0.0 if fast or mic or source == "-" else 1.0,
            show=display.show,
        )
        try:
            asyncio.run(work)
        except audio.Unreadable as error:
            raise click.UsageError(str(error)) from error
        except KeyboardInterrupt:
            raise click.Abort from None


async def _stream(
    client: StreamingClient,
    pieces: Iterator[bytes],
    *,
    speed: float,
    show: Callable[[Event], None],
) -> None:
    async with client:
        sending = asyncio.create_task(_send(client, pieces, speed), name="send")
        try:
            async for event in client:
                show(event)
            await sending  # raises what ended it
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)


async def _send(client: StreamingClient, pieces: Iterator[bytes], speed: float) -> None:
    async for piece in paced(pieces, speed=speed):
        await client.send(piece)
    await client.end()


def _first(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """The same pieces; a source that cannot be read says so before a session is opened."""
    try:
        first = next(pieces, b"")
    except audio.Unreadable as error:
        raise click.UsageError(str(error)) from error

    def chained() -> Iterator[bytes]:
        if first:
            yield first
        yield from pieces

    return chained()
