"""`asr stream`: audio to a gateway, words back."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator
from typing import Any

import click
from rich.console import Console
from rich.text import Text

from asr_cli import audio
from asr_cli.client import StreamingClient
from asr_cli.conversation import converse
from asr_cli.display import choose
from asr_cli.score import Latency

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
@click.option("--rate", type=click.IntRange(1), help="The source is raw samples at this rate.")
@click.option(
    "--channels", type=click.IntRange(1, 64), help="Channels of raw samples.  [default: 1]"
)
@click.option(
    "--format",
    "raw_format",
    type=click.Choice(audio.RAW_FORMATS),
    help="Of raw samples.  [default: s16le]",
)
@click.option(
    "--fast",
    is_flag=True,
    help="A file as fast as it goes, not at the speed of speech. (Standard input and microphone "
    "have a pace of their own.)",
)
@click.option("--json", "machine", is_flag=True, help="One JSON object a line, for machines.")
@click.option("--partials/--no-partials", default=True, help="Show text that may still change.")
@click.option("--session", default="", help="An id (a UUID) of your own for the session.")
@click.option(
    "--token",
    default="",
    help="With --session: go on with a session that was begun before; `ready` in --json says both. "
    "A FILE is sent from where that one came to.",
)
def stream(
    source: str | None,
    mic: bool,
    urls: tuple[str, ...],
    model: str,
    language: str,
    client: str,
    priority: int,
    rate: int | None,
    channels: int | None,
    raw_format: str | None,
    fast: bool,
    machine: bool,
    partials: bool,
    session: str,
    token: str,
) -> None:
    """Send audio to a gateway and show the words as they are recognised.

    FILE is anything FFmpeg reads (wav, flac, mp3, ogg/opus, m4a, video too), of any rate and
    number of channels; - is standard input. A connection that breaks is made again, to any of the
    gateways, and nothing is lost. Ctrl-C ends live speech (--mic, -) and waits for its last words.

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
    if (channels or raw_format) and not rate:
        raise click.UsageError("--channels and --format are of raw samples: give their --rate")
    if token and not session:
        raise click.UsageError("--token is of a --session")
    pieces = _begun(
        audio.microphone()
        if mic
        else audio.read(
            str(source), rate=rate or 0, channels=channels or 1, raw_format=raw_format or "s16le"
        )
    )
    live = mic or source == "-"
    parameters: dict[str, Any] = {
        "language": language,
        "client": client,
        "priority": priority,
        "partials": partials,
    }
    caller = StreamingClient(
        urls or (DEFAULT_URL,), model=model, session=session, token=token, **parameters
    )
    console = Console(highlight=False, soft_wrap=True)
    latency = Latency()
    try:
        with choose(console, latency.now, machine=machine, partials=partials) as display:
            asyncio.run(
                converse(
                    caller,
                    pieces,
                    latency=latency,
                    show=display.show,
                    speed=0.0 if fast or live else 1.0,
                    whole=bool(token) and not live,
                    live=live,
                )
            )
    except audio.Unreadable as error:
        raise click.UsageError(str(error)) from error
    if not machine:
        for line in latency.lines():
            console.print(Text(line, style="dim"))


def _begun(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """The same pieces; a source that cannot be read says so before a session is opened."""
    try:
        first = next(pieces, b"")
    except audio.Unreadable as error:
        raise click.UsageError(str(error)) from error
    return itertools.chain([first] if first else [], pieces)
