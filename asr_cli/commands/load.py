"""`asr load`: many callers at once."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import click
from rich.console import Console

from asr_cli import audio
from asr_cli.client.kaldi import PATH as KALDI_PATH
from asr_cli.load import report
from asr_cli.load.crowd import Crowd, Plan, Protocol, interruptible, speech
from asr_cli.load.figures import Figures
from asr_cli.load.hpa import Hpa
from asr_cli.load.progress import shown

RECORDING = Path(__file__).parents[2] / "models" / "english" / "recordings" / "demo.flac"
LONGEST_RECORDING = 600.0
"""Seconds of a recording that are used: all callers share them in memory."""
LOG_WIDTH = 140
"""Columns of a report that goes into a file."""


@click.command()
@click.argument("url")
@click.option("--sessions", type=click.IntRange(1, 5000), default=25, show_default=True)
@click.option(
    "--seconds",
    type=click.FloatRange(1, 86_400),
    default=30.0,
    show_default=True,
    help="How long all of them talk.",
)
@click.option(
    "--ramp",
    type=click.FloatRange(0, 3600),
    default=1.0,
    show_default=True,
    help="Seconds in which they come, one after another; on top of --seconds.",
)
@click.option(
    "--call",
    "length",
    type=click.FloatRange(1, 86_400),
    help="Seconds of a call, after which the caller hangs up and calls again.  "
    "[default: the whole time]",
)
@click.option(
    "--recording",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="What they say, again and again: its first ten minutes.  [default: the demo's]",
)
@click.option("--model", default="english", show_default=True, help="See `asr models`.")
@click.option(
    "--protocol",
    type=click.Choice(["native", "kaldi"]),
    help=f"Of the WebSocket.  [default: kaldi if the URL ends in {KALDI_PATH}, else native]",
)
@click.option(
    "--json",
    "machine",
    type=click.Path(dir_okay=False, allow_dash=True),
    metavar="FILE",
    help="Write the report there, too; - is standard output, and people read standard error.",
)
@click.option("--hpa", is_flag=True, help="Watch the gateway's autoscaler through kubectl.")
@click.option("--hpa-name", default="gateway", show_default=True, help="Its name.")
@click.option("--namespace", "-n", default="", help="Its namespace.  [default: kubectl's]")
def load(
    url: str,
    sessions: int,
    seconds: float,
    ramp: float,
    length: float | None,
    recording: Path | None,
    model: str,
    protocol: Protocol | None,
    machine: str | None,
    hpa: bool,
    hpa_name: str,
    namespace: str,
) -> None:
    """Load the gateway at URL with many callers who speak at the speed of speech.

    Tells how many sessions were opened, refused and lost, how much went over the wire, and how
    late words came, with the figures that wrk gives of requests (average, deviation, percentiles).
    Lateness counts from when a word was spoken, so that a caller who is held back shows.
    --hpa shows the autoscaler's replicas, CPU and memory beside it.

    \b
    asr load ws://127.0.0.1:8080
    asr load ws://asr.example.org --sessions 200 --seconds 300 --ramp 60 --hpa --namespace asr
    asr load ws://127.0.0.1:8080/client/ws/speech --sessions 25 --seconds 30

    Ctrl-C hangs up and prints the report of what was done.

    Exit status: 0 every session went well; 1 some were refused or failed; 2 wrong usage;
    130 interrupted.
    """
    source = recording or RECORDING
    if not source.exists():
        raise click.UsageError("the demo's recording is not installed here: give a --recording")
    try:
        said = speech(audio.read(str(source)), LONGEST_RECORDING)
    except audio.Unreadable as error:
        raise click.UsageError(str(error)) from error
    base, path = _split(url)
    plan = Plan(
        url=base,
        speech=said,
        sessions=sessions,
        seconds=seconds,
        ramp=ramp,
        call=length or 0.0,
        model=model,
        protocol=protocol or ("kaldi" if path == KALDI_PATH else "native"),
    )
    console = Console(highlight=False, stderr=machine == "-")
    if not console.is_terminal:
        console.width = LOG_WIDTH
    watched = Hpa(hpa_name, namespace) if hpa else None
    figures = Figures()
    interrupted = asyncio.run(_load(console, plan, figures, watched))
    looks = watched.looks if watched else []
    report.show(console, plan, figures, looks)
    if machine:
        with click.open_file(machine, "w") as file:
            file.write(json.dumps(report.as_json(plan, figures, looks), indent=2) + "\n")
    if interrupted:
        sys.exit(130)
    if figures.refused or figures.failed:
        sys.exit(1)


async def _load(console: Console, plan: Plan, figures: Figures, hpa: Hpa | None) -> bool:
    """Whether it was interrupted."""
    crowd = Crowd(plan, figures)

    def line() -> str:
        return report.progress(plan, figures, hpa.looks[-1] if hpa and hpa.looks else None)

    with interruptible(crowd):
        async with _watching(hpa, figures):
            with shown(console, line) as look:
                await crowd.run(look)
    return crowd.interrupted


@contextlib.asynccontextmanager
async def _watching(hpa: Hpa | None, figures: Figures) -> AsyncIterator[None]:
    if hpa is None:
        yield
        return
    await hpa.look(0.0, 0)  # a cluster that cannot be asked is told before anybody calls
    watching = asyncio.create_task(hpa.watch(lambda: figures.elapsed, lambda: figures.live))
    try:
        yield
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)


def _split(url: str) -> tuple[str, str]:
    """Scheme and host, and the path."""
    parts = urlsplit(url if "://" in url else f"ws://{url}")
    if parts.scheme not in ("ws", "wss", "http", "https") or not parts.netloc:
        raise click.UsageError(f"{url!r} is not the address of a gateway, such as ws://HOST:8080")
    path = parts.path.rstrip("/")
    if path not in ("", "/v1/stream", KALDI_PATH):
        raise click.UsageError(f"no gateway speaks at {path!r}; give its host and port alone")
    return f"{parts.scheme}://{parts.netloc}", path
