"""`asr demo`: the whole system, on this machine, on a recording its model never heard."""

from __future__ import annotations

import asyncio
import re
import time
from pathlib import Path

import click
from rich.console import Console
from rich.text import Text

from asr_cli import audio
from asr_cli.client import Event, Final, StreamingClient
from asr_cli.conversation import converse
from asr_cli.display import choose
from asr_cli.score import Latency, word_error_rate
from asr_tasks import log

SVG_WIDTH = 100
RECORDINGS = Path(__file__).parents[2] / "models" / "english" / "recordings"


@click.command()
@click.option(
    "--recording",
    type=click.Path(exists=True, path_type=Path),
    default=RECORDINGS / "demo.flac",
    help="Another recording; its text is read from the .txt file beside it, if there is one.",
)
@click.option("--svg", type=click.Path(path_type=Path), help="Save what is shown as a picture.")
def demo(recording: Path, svg: Path | None) -> None:
    """Speech in, text out, on this machine, with no server.

    Starts gateway, allocator, monitor and a worker with the demo model in this process, streams a
    recording at the speed of speech through the real WebSocket endpoint, shows the words as they
    are recognised, and compares the transcript with what was really said: sentences and a voice
    that the model never heard in training.
    """
    log.configure("ERROR")
    console = Console(highlight=False, record=svg is not None, width=SVG_WIDTH if svg else None)
    asyncio.run(_demo(console, recording))
    if svg is not None:
        picture = console.export_svg(title="make demo")
        # The reader's own fixed-width font will do: the picture loads nothing from anywhere.
        svg.write_text(re.sub(r"@font-face \{.*?\}\s*", "", picture, flags=re.DOTALL), "utf-8")


async def _demo(console: Console, recording: Path) -> None:
    began = time.monotonic()
    console.print(Text("starting gateway, allocator, monitor and worker in this process …"))
    # Not at the top: this loads Celery and gRPC, and the line above should be there at once.
    from asr_cli.embedded import Choice, running

    async with running(Choice(port=0)) as system:
        console.print(Text(f"ready after {time.monotonic() - began:.1f} s at {system.url}"))
        console.print(Text(f"streaming {recording.name} at the speed of speech", style="dim"))
        latency, finals = Latency(), list[Final]()
        with choose(console, latency.now, machine=False, partials=True) as display:

            def show(event: Event) -> None:
                display.show(event)
                if isinstance(event, Final):
                    finals.append(event)

            client = StreamingClient([system.url], model="english", client="demo")
            call = converse(client, audio.read(str(recording)), latency=latency, show=show)
            await system.unless_broken(call)
        reference = recording.with_suffix(".txt")
        if reference.exists():
            _compare(console, [final.text for final in finals], reference.read_text().splitlines())
        for line in latency.lines():
            console.print(Text(line))
    console.print(Text(f"all of it in {time.monotonic() - began:.1f} s", style="dim"))


def _compare(console: Console, heard: list[str], said: list[str]) -> None:
    console.print()
    console.print(Text("heard   ", style="bold") + Text(" / ".join(heard)))
    console.print(Text("said    ", style="bold") + Text(" / ".join(line for line in said if line)))
    rate = word_error_rate(" ".join(said), " ".join(heard))
    console.print(
        Text(f"word error rate {rate:.1%}", style="bold green" if rate < 0.2 else "bold yellow")
        + Text("  (unseen sentences, a voice never trained on)", style="dim")
    )
