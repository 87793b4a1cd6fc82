"""`asr transcribe`: recordings in, transcripts out."""

from __future__ import annotations

import asyncio
import os
import sys
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import click
import platformdirs
from rich.console import Console
from rich.text import Text

from asr_cli.transcribe import outputs, recordings, where
from asr_cli.transcribe.outputs import STDOUT, Outputs
from asr_cli.transcribe.recordings import Recording
from asr_cli.transcribe.tally import Tally
from asr_cli.transcribe.view import chosen
from asr_cli.transcribe.work import Result, Run, Task
from asr_tasks import log
from asr_tasks.catalogue import Catalogue
from asr_tasks.contracts.errors import BadRequest, ModelUnavailable
from asr_tasks.contracts.jobs import CHANNELS, FORMATS, Channels, Format, JobRequest, Jobs

APPLICATION = "asr-stream-tasks"
SHOWN = 20
"""Recordings that are listed by name."""


@click.command()
@click.argument("sources", nargs=-1, required=True, metavar="FILES|FOLDERS|URLS…")
@click.option("--model", default="", help="See `asr models`.  [default: the catalogue's first]")
@click.option("--language", default="", help="For models of several languages.")
@click.option(
    "--format",
    "-f",
    "formats",
    multiple=True,
    type=click.Choice(FORMATS),
    help="Of the outputs; may be given several times.  [default: text]",
)
@click.option(
    "--out",
    "-o",
    default="",
    metavar="FOLDER",
    help="Where to write, s3://… too; - prints.  [default: beside each recording]",
)
@click.option(
    "--channels",
    type=click.Choice(CHANNELS),
    default="mix",
    show_default=True,
    help="split: hear each channel apart, and merge them in order of time.",
)
@click.option("--recursive", "-r", is_flag=True, help="Folders within folders, too.")
@click.option("--follow", is_flag=True, help="Show what is said as it becomes known.")
@click.option("--force", is_flag=True, help="Do again what is done already.")
@click.option("--local", is_flag=True, help="In this process, whatever servers there are.")
@where.options
@click.option("--catalogue", default="", help="A model catalogue file of your own.")
@click.option(
    "--threads",
    type=click.IntRange(1, 64),
    default=1,
    show_default=True,
    help="Of the processor, in this process; more only helps where nothing else runs.",
)
@click.option(
    "--keep",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where unfinished work of this process is kept.  [default: the user's cache]",
)
def transcribe(
    sources: tuple[str, ...],
    model: str,
    language: str,
    formats: tuple[Format, ...],
    out: str,
    channels: Channels,
    recursive: bool,
    follow: bool,
    force: bool,
    local: bool,
    gateway: str,
    key_file: Path | None,
    broker: str | None,
    redis: str | None,
    catalogue: str,
    threads: int,
    keep: Path | None,
) -> None:
    """Transcribe recordings of any length.

    Anything FFmpeg reads, from this machine, http(s):// or s3://. The batch workers behind a
    --gateway do it (recordings of this machine are uploaded), or those of a --broker and --redis
    (which must see the same paths); where neither is named, this process does. Interrupted, and
    run again, it goes on where it was: an output that is newer than its recording is not made
    again, and of the others only what was not heard yet.

    \b
    asr transcribe call.flac                              call.txt, beside it
    asr transcribe archive/ -r -f srt -f json -o out/
    asr transcribe s3://calls/2026/1.opus --follow
    asr transcribe calls/ --gateway http://asr.example.org
    asr transcribe talk.mp4 -f vtt -o - > talk.vtt

    Ctrl-C leaves jobs running on servers (`asr jobs` shows them); what this process did is kept.

    Exit status: 0 all is done; 1 some failed; 2 wrong usage; 130 interrupted.
    """
    if local and (gateway or broker or redis):
        raise click.UsageError("--local needs no --gateway, --broker or --redis")
    if out == STDOUT and len(formats) > 1:
        raise click.UsageError("one --format is printed at a time")
    log.configure("ERROR")
    place = where.chosen(gateway, key_file, broker, redis, catalogue)
    remote = place.named and not local
    wanted = formats or ("text",)
    console = Console(highlight=False, stderr=out == STDOUT)
    models = Catalogue.load(place.settings.catalogue)
    if not model and not gateway:  # a gateway has a default of its own
        model = next(iter(models))
    request = JobRequest("", model=model, language=language, channels=channels)
    try:
        if not remote:
            models.get(model).check()
        found = recordings.found(sources, recursive=recursive)
        places = outputs.planned(found, wanted, out)
    except (BadRequest, ModelUnavailable) as error:
        raise click.UsageError(str(error)) from error
    tasks = _tasks(console, found, places, request, force=force)
    if not tasks:
        return
    folder = keep or platformdirs.user_cache_path(APPLICATION) / "transcribe"
    store = place.connected() if remote else _here(models, folder, threads)
    result = Result()
    try:
        asyncio.run(_run(console, store, tasks, result, out, wanted, follow=follow))
    except KeyboardInterrupt:
        _interrupted(console, len(tasks) - result.over, remote=remote)
    _sum_up(console, result)
    if result.failed:
        sys.exit(1)


def _tasks(
    console: Console,
    found: Sequence[Recording],
    places: Sequence[Outputs],
    request: JobRequest,
    *,
    force: bool,
) -> list[Task]:
    """What is still to be done; says what is not."""
    tasks, finished = [], []
    for recording, outputs_ in zip(found, places, strict=True):
        if not force and outputs_.newer_than(recording):
            finished.append(recording)
            continue
        own = replace(request, source=recording.source, name=recording.short)
        job = str(uuid.uuid4()) if force else recordings.job_id(recording, own)
        tasks.append(Task(recording, own, job, outputs_))
    for recording in finished[:SHOWN]:
        said = Text(f"{recording.name}: done already, --force does it again", style="dim")
        console.print(said, soft_wrap=True)
    if len(finished) > SHOWN:
        console.print(Text(f"and {len(finished) - SHOWN} more are done already", style="dim"))
    return tasks


async def _run(
    console: Console,
    store: AbstractAsyncContextManager[Jobs],
    tasks: Sequence[Task],
    result: Result,
    out: str,
    formats: Sequence[Format],
    *,
    follow: bool,
) -> None:
    async with store as jobs:
        with chosen(console, Tally(len(tasks)), out, formats) as view:
            await Run(jobs, view, result, follow=follow).run(tasks)


@asynccontextmanager
async def _here(models: Catalogue, folder: Path, threads: int) -> AsyncIterator[Jobs]:
    from asr_cli.transcribe.journal import prune
    from asr_cli.transcribe.local import LocalJobs

    prune(folder)
    jobs = LocalJobs(models, folder, threads=threads)
    try:
        yield jobs
    finally:
        await jobs.close()


def _interrupted(console: Console, left: int, *, remote: bool) -> NoReturn:
    again = "run the same command again"
    if remote:
        said = f"{left} jobs go on on the servers: `asr jobs` shows them; {again} for their outputs"
    else:
        said = f"stopped with {left} recordings left; what is done is kept: {again} to go on"
    console.print(Text(said, style="yellow"), soft_wrap=True)
    sys.stdout.flush()
    sys.stderr.flush()
    # Not sys.exit: the interpreter would wait for the step of the model that a thread is in, or
    # pull the model away from under it.
    os._exit(130)


def _sum_up(console: Console, result: Result) -> None:
    if not result.failed:
        return
    many = f"{len(result.failed)} of {result.over} failed"
    console.print(Text(f"{many}; run the same command again to retry them:", style="bold red"))
    for task, code, message in result.failed[:SHOWN]:
        console.print(Text(f"  {task.recording.name}: {code}: {message}"), soft_wrap=True)
    if len(result.failed) > SHOWN:
        console.print(Text(f"  and {len(result.failed) - SHOWN} more"))
