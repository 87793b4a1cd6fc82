"""What a person sees of a run: bars that move on a terminal, lines in a pipe or a log."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator, Sequence
from typing import Any, Final

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.text import Text

from asr_cli.transcribe.outputs import STDOUT
from asr_cli.transcribe.tally import Tally, left, span, speed, times
from asr_cli.transcribe.work import Task, View
from asr_tasks.contracts.jobs import Format, Job, JobState
from asr_tasks.contracts.transcript import Transcript, Utterance
from asr_tasks.formats import render

BARS: Final = 8
"""Recordings with a bar of their own at a time; many workers hear many."""

LINE_SECONDS: Final = 10.0
"""Between two lines that say how far all of it is."""


class Lines:
    """A line for each thing that happens.

    Args:
        console: for people.
        tally: of the run.
        printed: format of the transcripts that go to standard output; None: none do.
    """

    def __init__(self, console: Console, tally: Tally, printed: Format | None) -> None:
        self._console = console
        self._tally = tally
        self._printed = printed
        self._begun: set[str] = set()
        self._told = time.monotonic()
        self._away = ""

    def progress(self, task: Task, job: Job) -> None:
        self._tally.see(job)
        self._away = ""
        if job.state is JobState.RUNNING and job.id not in self._begun:
            self._begun.add(job.id)
            length = f", {span(job.duration)} of audio" if job.duration else ""
            done = f", {span(job.heard)} done before" if job.heard else ""
            self._say(f"{task.recording.name}: begun{length}{done}")

    def said(self, task: Task, utterances: Sequence[Utterance]) -> None:
        for one in utterances:
            self._console.print(_spoken(task, one, several=self._tally.total > 1), soft_wrap=True)

    def done(self, task: Task, job: Job, transcript: Transcript) -> None:
        self._tally.over += 1
        self._console.print(_finished(task, job), soft_wrap=True)
        if self._printed is not None:
            print(render(transcript, self._printed), end="", flush=True)

    def failed(self, task: Task, code: str, message: str) -> None:
        self._tally.over += 1
        self._tally.drop(task.job)
        self._console.print(_failure(task, code, message), soft_wrap=True)

    def away(self, message: str) -> None:
        if not self._away:
            self._say(f"the servers do not answer, trying again: {message}")
        self._away = message

    def tick(self) -> None:
        now = time.monotonic()
        if now - self._told < LINE_SECONDS:
            return
        self._told = now
        tally = self._tally
        if tally.speed:
            self._say(
                f"{tally.over} of {tally.total} done, {span(tally.heard)} of "
                f"{span(tally.duration)}, {times(tally.speed)} real time, {span(tally.left)} left"
            )

    def _say(self, line: str) -> None:
        self._console.print(Text(line), soft_wrap=True)


class Bars(Lines):
    """A bar a recording that is being heard, one for all of them; what is over scrolls away."""

    def __init__(self, console: Console, tally: Tally, printed: Format | None) -> None:
        super().__init__(console, tally, printed)
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f} %"),
            TextColumn("{task.fields[span]}", justify="right"),
            TextColumn("{task.fields[speed]}", justify="right", style="cyan"),
            TextColumn("{task.fields[left]} left", justify="right"),
            console=console,
            transient=True,
            refresh_per_second=5,
        )
        self._all = self._add_overall()
        self._bars: dict[str, TaskID] = {}

    @contextlib.contextmanager
    def shown(self) -> Iterator[None]:
        """On the screen for as long as the block lasts."""
        with self._progress:
            yield

    def progress(self, task: Task, job: Job) -> None:
        self._tally.see(job)
        if job.state is JobState.RUNNING and (job.id in self._bars or len(self._bars) < BARS):
            self._update(task, job)
        self._overall()

    def done(self, task: Task, job: Job, transcript: Transcript) -> None:
        self._remove(task)
        super().done(task, job, transcript)
        self._overall()

    def failed(self, task: Task, code: str, message: str) -> None:
        self._remove(task)
        super().failed(task, code, message)
        self._overall()

    def tick(self) -> None:
        self._overall()

    def _update(self, task: Task, job: Job) -> None:
        fields: dict[str, Any] = {
            "total": job.duration or None,
            "completed": job.heard,
            "span": span(job.duration) if job.duration else "",
            "speed": times(speed(job)),
            "left": span(left(job.duration, job.heard, speed(job))),
        }
        if job.id in self._bars:
            self._progress.update(self._bars[job.id], **fields)
            return
        self._bars[job.id] = self._progress.add_task(_short(task.recording.name), **fields)
        # All of them together stand below each of them.
        self._progress.remove_task(self._all)
        self._all = self._add_overall()

    def _overall(self) -> None:
        tally = self._tally
        self._progress.update(
            self._all,
            description=f"{tally.over} of {tally.total}",
            total=tally.duration or None,
            completed=tally.heard,
            span=span(tally.duration) if tally.duration else "",
            speed=times(tally.speed),
            left=span(tally.left),
        )

    def _remove(self, task: Task) -> None:
        bar = self._bars.pop(task.job, None)
        if bar is not None:
            self._progress.remove_task(bar)

    def _add_overall(self) -> TaskID:
        return self._progress.add_task("", total=None, span="", speed="", left="–:––")


@contextlib.contextmanager
def chosen(console: Console, tally: Tally, out: str, formats: Sequence[Format]) -> Iterator[View]:
    """The view that fits where the output goes."""
    printed = formats[0] if out == STDOUT else None
    if console.is_terminal:
        bars = Bars(console, tally, printed)
        with bars.shown():
            yield bars
        return
    yield Lines(console, tally, printed)


def _finished(task: Task, job: Job) -> Text:
    how = f" in {span(job.elapsed)}, {times(speed(job))} real time" if job.elapsed >= 1 else ""
    places = ", ".join(_near(place) for place in task.outputs.places.values())
    return Text.assemble(
        ("✓ ", "green"),
        task.recording.name,
        (f"  {span(job.duration)}{how}", "dim"),
        (f"  → {places}" if places else "", "cyan"),
    )


def _failure(task: Task, code: str, message: str) -> Text:
    return Text.assemble(("✗ ", "red"), task.recording.name, (f"  {code}: {message}", "red"))


def _spoken(task: Task, utterance: Utterance, *, several: bool) -> Text:
    who = f"{task.recording.name} " if several else ""
    channel = "" if utterance.channel is None else f"[{utterance.channel + 1}] "
    return Text.assemble(
        (f"{who}{span(utterance.start):>8}  ", "cyan"), (channel, "dim"), utterance.text
    )


def _short(name: str, most: int = 36) -> str:
    return name if len(name) <= most else f"…{name[1 - most :]}"


def _near(place: str) -> str:
    """A path as one would type it here."""
    if "://" in place:
        return place
    here = os.path.relpath(place)
    return place if here.startswith("..") else here
