"""`asr jobs`: what the batch workers have to do, did, and could not do."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any, Final, TypeVar

import click
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from asr_cli.transcribe import where
from asr_cli.transcribe.tally import left, span, speed, times
from asr_cli.transcribe.where import Where
from asr_tasks.contracts.errors import BadParameter, NoTranscript, UnknownJob
from asr_tasks.contracts.jobs import FORMATS, Format, Job, Jobs, JobState
from asr_tasks.formats import render

LOOK_SECONDS: Final = 1.0
SEARCHED: Final = 1000
"""Newest jobs among which the beginning of an id is looked for."""

UUID_LENGTH: Final = 36
_STYLES: Final = {
    JobState.RUNNING: "bold cyan",
    JobState.DONE: "green",
    JobState.FAILED: "red",
    JobState.CANCELLED: "yellow",
}

Answer = TypeVar("Answer")
_machine = click.option("--json", "machine", is_flag=True, help="JSON, for machines.")
_ids = click.argument("ids", nargs=-1, required=True, metavar="ID…")


@click.group(invoke_without_command=True)
@where.options
@click.option("--state", type=click.Choice([one.value for one in JobState]), help="Only those.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True)
@click.option("--watch", is_flag=True, help="Again every second, until Ctrl-C.")
@_machine
@click.pass_context
def jobs(
    ctx: click.Context,
    gateway: str,
    key_file: Path | None,
    broker: str | None,
    redis: str | None,
    state: str | None,
    limit: int,
    watch: bool,
    machine: bool,
) -> None:
    """List the jobs of the batch workers, the newest first, and how far each is.

    An ID may be shortened to as many of its first characters as no other job has.

    \b
    asr jobs --watch
    asr jobs show 3f2a --format srt
    asr jobs cancel 3f2a
    asr jobs retry 3f2a
    """
    ctx.obj = where.chosen(gateway, key_file, broker, redis)
    if ctx.invoked_subcommand is not None:
        return
    wanted = JobState(state) if state else None

    async def once(store: Jobs) -> Sequence[Job]:
        return await store.recent(limit, wanted)

    if watch and not machine:
        with contextlib.suppress(KeyboardInterrupt):
            _asked(ctx.obj, lambda store: _watch(store, lambda: once(store)))
        return
    found = _asked(ctx.obj, once)
    if machine:
        click.echo(json.dumps([asdict(job) for job in found], indent=1, ensure_ascii=False))
    elif not found:
        click.echo("no jobs")
    else:
        Console(highlight=False).print(_table(found))


@jobs.command()
@click.argument("id_", metavar="ID")
@click.option("--format", "-f", type=click.Choice(FORMATS), help="Print the transcript so.")
@_machine
@click.pass_obj
def show(place: Where, id_: str, format: Format | None, machine: bool) -> None:
    """Show one job: what was asked for, how far it is, why it failed; with --format its transcript.

    Exit status: 0; 1 there is no such job, or no transcript of it.
    """

    async def ask(store: Jobs) -> tuple[Job, str]:
        job = await _one(store, id_)
        if format is None:
            return job, ""
        transcript = await store.transcript(job.id)
        if transcript is None:
            raise NoTranscript
        return job, render(transcript, format)

    job, text = _asked(place, ask)
    if format is not None:
        click.echo(text, nl=not text.endswith("\n"))
    elif machine:
        click.echo(json.dumps(asdict(job), indent=1, ensure_ascii=False))
    else:
        _show(Console(highlight=False), job)


@jobs.command()
@_ids
@click.pass_obj
def cancel(place: Where, ids: Sequence[str]) -> None:
    """End jobs. What they have heard is kept, for `asr jobs retry`.

    Exit status: 0; 1 one of them is not there, or was over.
    """
    _each(place, ids, lambda store, job: store.cancel(job), JobState.CANCELLED)


@jobs.command()
@_ids
@click.pass_obj
def retry(place: Where, ids: Sequence[str]) -> None:
    """Begin failed or cancelled jobs again. What they have heard is not heard again.

    Exit status: 0; 1 one of them is not there, or had not failed.
    """
    _each(place, ids, lambda store, job: store.retry(job), JobState.QUEUED)


def _each(
    place: Where,
    ids: Sequence[str],
    change: Callable[[Jobs, str], Awaitable[Job | None]],
    expected: JobState,
) -> None:
    """Change each; says what became of it."""

    async def ask(store: Jobs) -> list[tuple[Job, Job]]:
        found = [await _one(store, one) for one in ids]
        return [(before, await change(store, before.id) or before) for before in found]

    wrong = 0
    for before, after in _asked(place, ask):
        told = f"{after.id} {after.request.name}: "
        if before.state is after.state and after.state is not expected:
            wrong += 1
            click.echo(f"{told}is {after.state}, nothing to do", err=True)
        else:
            click.echo(f"{told}{after.state}")
    if wrong:
        raise click.exceptions.Exit(1)


def _asked(place: Where, ask: Callable[[Jobs], Awaitable[Answer]]) -> Answer:
    async def run() -> Answer:
        async with place.connected() as store:
            return await ask(store)

    return asyncio.run(run())


async def _one(store: Jobs, id_: str) -> Job:
    """The job of an id or of its beginning.

    Raises:
        UnknownJob: there is none.
        BadParameter: there are several.
    """
    if len(id_) == UUID_LENGTH:
        found = await store.get(id_)
        if found is None:
            raise UnknownJob
        return found
    fitting = [job for job in await store.recent(SEARCHED) if job.id.startswith(id_)]
    if not fitting:
        raise UnknownJob(f"no job's id begins with {id_}; `asr jobs` lists them")
    if len(fitting) > 1:
        raise BadParameter(f"the ids of {len(fitting)} jobs begin with {id_}: give more of it")
    return fitting[0]


async def _watch(store: Jobs, once: Callable[[], Awaitable[Sequence[Job]]]) -> None:
    del store
    with Live(console=Console(highlight=False), auto_refresh=False, screen=False) as live:
        while True:
            live.update(_table(await once()), refresh=True)
            await asyncio.sleep(LOOK_SECONDS)


def _table(found: Sequence[Job]) -> Table:
    table = Table(box=None, header_style="bold")
    for name, least in (("id", 8), ("state", 9), ("recording", 12), ("model", 5)):
        table.add_column(name, no_wrap=True, overflow="ellipsis", min_width=least)
    for name in ("length", "heard", "speed", "left"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("", overflow="fold")
    for job in found:
        running = job.state is JobState.RUNNING
        table.add_row(
            job.id[:8],
            Text(job.state, style=_STYLES.get(job.state, "")),
            job.request.name or job.request.source,
            job.request.model,
            span(job.duration) if job.duration else "",
            f"{_share(job):.0%}" if job.duration else "",
            times(speed(job)),
            span(left(job.duration, job.heard, speed(job))) if running else "",
            Text(job.code, style="red"),
        )
    return table


def _show(console: Console, job: Job) -> None:
    asked = job.request
    rows: dict[str, Any] = {
        "id": job.id,
        "state": job.state,
        "error": f"{job.code}: {job.message}" if job.code else "",
        "recording": asked.source,
        "target": asked.target,
        "model": asked.model,
        "language": asked.language,
        "channels": asked.channels,
        "created": datetime.fromtimestamp(job.created).astimezone().isoformat(" ", "seconds"),
        "length": span(job.duration) if job.duration else "",
        "heard": f"{span(job.heard)} ({_share(job):.0%}), {job.done} of {job.pieces} pieces",
        "took": f"{span(job.elapsed)}, {times(speed(job))} real time" if job.elapsed else "",
        "try": job.attempt if job.attempt > 1 else "",
    }
    for name, value in rows.items():
        if value not in ("", None):
            console.print(Text.assemble((f"{name:10}", "cyan"), str(value)), soft_wrap=True)


def _share(job: Job) -> float:
    if job.state is JobState.DONE:
        return 1.0
    return min(job.heard / job.duration, 1.0) if job.duration else 0.0
