"""Jobs in this process, with no server: one thread, one model, a journal a recording.

The same cutting, hearing and joining as on the workers.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from asr_cli.transcribe import journal as journals
from asr_cli.transcribe import memory
from asr_cli.transcribe.journal import Done, Journal
from asr_tasks import log
from asr_tasks.batch import hearing, plan
from asr_tasks.catalogue import Catalogue, Entry
from asr_tasks.contracts.audio import SAMPLE_RATE
from asr_tasks.contracts.errors import AsrError, Cancelled
from asr_tasks.contracts.jobs import Job, JobRequest, JobState
from asr_tasks.contracts.transcript import Transcript
from asr_tasks.jobs.records import Stretch, assemble, beginning
from asr_tasks.jobs.redis_jobs import checked
from asr_tasks.media import decode
from asr_tasks.media.sources import opened
from asr_tasks.recognizers import offline
from asr_tasks.recognizers.offline import OfflineRecognizer

_log = log.get("asr.transcribe")

STEP_SECONDS: Final = 60.0
"""Audio between two lines of the journal: what an interrupt costs at most."""


class LocalJobs:
    """Implements :class:`asr_tasks.contracts.jobs.Jobs` for one run of the command.

    Args:
        catalogue: the models.
        folder: where journals are kept.
        threads: of the processor that one step may use.
        nice: how far its thread steps back for others.
        load: loads a recogniser.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        folder: Path,
        *,
        threads: int,
        nice: int = 0,
        load: Callable[[Entry, int], OfflineRecognizer] = offline.load,
    ) -> None:
        self._catalogue = catalogue
        self._folder = folder
        self._threads = threads
        self._nice = nice
        self._load = load
        self._loaded: tuple[str, OfflineRecognizer] | None = None
        self._jobs: dict[str, Job] = {}
        self._open: dict[str, Journal] = {}
        self._waiting: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._cancelled: set[str] = set()
        # A daemon: a step of the model cannot be interrupted, and the user wants to leave.
        self._thread = threading.Thread(target=self._run, name="transcribe", daemon=True)

    async def create(self, request: JobRequest, job: str = "") -> Job:
        if job in self._jobs:
            return self._jobs[job]
        request = checked(request, self._catalogue)
        self._catalogue.get(request.model).check()
        found = Job(job, request, created=time.time())
        done = await asyncio.to_thread(journals.read, self._path(job))
        if done is not None and done.complete:
            self._jobs[job] = _progressed(replace(found, state=JobState.DONE), done)
            await asyncio.to_thread(journals.touch, self._path(job))
            return self._jobs[job]
        self._jobs[job] = found if done is None else _progressed(found, done)
        self._begin(job)
        return self._jobs[job]

    async def get(self, job: str) -> Job | None:
        return self._jobs.get(job)

    async def recent(
        self, limit: int = 50, state: JobState | None = None, after: str = ""
    ) -> Sequence[Job]:
        newest = [job for job in reversed(self._jobs.values()) if state in (None, job.state)]
        if after:
            places = [place for place, job in enumerate(newest) if job.id == after]
            newest = newest[places[0] + 1 :] if places else []
        return newest[:limit]

    async def cancel(self, job: str) -> Job | None:
        if job in self._jobs and not self._jobs[job].state.over:
            self._cancelled.add(job)
            self._change(job, state=JobState.CANCELLED, code="cancelled", message="Cancelled.")
        return self._jobs.get(job)

    async def retry(self, job: str) -> Job | None:
        found = self._jobs.get(job)
        if found is not None and found.state in (JobState.FAILED, JobState.CANCELLED):
            self._cancelled.discard(job)
            attempt = found.attempt + 1
            self._change(job, state=JobState.QUEUED, code="", message="", attempt=attempt)
            self._begin(job)
        return self._jobs.get(job)

    async def transcript(self, job: str) -> Transcript | None:
        found = self._jobs.get(job)
        if found is None or found.state is not JobState.DONE:
            return None
        return await self.so_far(job)

    async def so_far(self, job: str) -> Transcript | None:
        found = self._jobs.get(job)
        if found is None:
            return None
        journal = self._open.get(job)
        if journal is not None:
            done = journal.snapshot()
        else:
            read = await asyncio.to_thread(journals.read, self._path(job))
            done = Done() if read is None else read
        return self._assembled(found, done)

    async def close(self) -> None:
        """Nothing more is begun; what is being recognised is left to the end of the process."""
        self._waiting.put(None)
        for job in self._jobs:
            await self.cancel(job)
        for journal in list(self._open.values()):
            with contextlib.suppress(ValueError):  # closed just now: the step was finished
                journal.again()  # that this step was not finished was nobody's fault

    def _path(self, job: str) -> Path:
        return self._folder / f"{job}.jsonl"

    def _begin(self, job: str) -> None:
        self._waiting.put(job)
        if not self._thread.is_alive():
            self._thread.start()

    def _change(self, job: str, **changes: object) -> None:
        self._jobs[job] = replace(self._jobs[job], **changes)  # type: ignore[arg-type]

    def _run(self) -> None:
        if self._nice:
            # Linux's priorities are those of threads.
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), self._nice)
        while (job := self._waiting.get()) is not None:
            if job in self._cancelled:
                continue
            try:
                with journals.opened(self._path(job)) as journal:
                    self._open[job] = journal
                    try:
                        self._transcribe(job, journal)
                    finally:
                        del self._open[job]
                self._change(job, state=JobState.DONE)
            except Cancelled:
                continue
            except AsrError as error:
                self._change(job, state=JobState.FAILED, code=error.code, message=str(error))
            except Exception as error:  # one recording must not end the others
                _log.exception("a job fails", job=job)
                message = f"{type(error).__name__}: {error}"
                self._change(job, state=JobState.FAILED, code=AsrError.code, message=message)

    def _transcribe(self, job: str, journal: Journal) -> None:
        request = self._jobs[job].request
        recognizer = self._recognizer(self._catalogue.get(request.model))
        before, began = journal.snapshot().seconds, time.monotonic()

        def worked() -> float:
            return before + time.monotonic() - began

        def try_(what: str) -> int:
            if job in self._cancelled:
                raise Cancelled
            return journal.try_(what)

        with opened(request.source) as file:
            self._change(job, state=JobState.RUNNING, duration=decode.probe(file).duration or 0.0)
            self._look(job, journal, worked())
            while True:
                done = journal.snapshot()
                left = [one for one in done.stretches if one.index not in done.heard]
                for first, last in plan.batches(left, STEP_SECONDS):
                    pieces = done.stretches[first : last + 1]
                    audio = decode.read(file, pieces[0].start, pieces[-1].end)
                    try:
                        for heard in hearing.hear(
                            recognizer, audio, pieces, request.channels, try_
                        ):
                            journal.hear(heard, worked())
                            self._look(job, journal, worked())
                    except AsrError:
                        journal.again()  # told to the user: the next run is a new try
                        raise
                if done.cut:
                    return
                found, end, over = plan.stretch(file, done.position)
                journal.cut(_numbered(found, len(done.stretches)), end, last=over)
                self._look(job, journal, worked())

    def _look(self, job: str, journal: Journal, seconds: float) -> None:
        """Show how far it is."""
        if job not in self._cancelled:
            self._jobs[job] = _progressed(self._jobs[job], journal.snapshot(), seconds)

    def _recognizer(self, entry: Entry) -> OfflineRecognizer:
        if self._loaded is None or self._loaded[0] != entry.name:
            self._loaded = None  # never two models at once
            memory.keep()
            self._loaded = entry.name, self._load(entry, self._threads)
        return self._loaded[1]

    def _assembled(self, job: Job, done: Done) -> Transcript:
        language = self._catalogue.get(job.request.model).language
        known: Mapping[int, str] = done.heard
        return assemble(job.request, language, beginning(done.stretches, known), known)


def _numbered(pieces: Sequence[Stretch], first: int) -> list[Stretch]:
    return [Stretch(first + one.index, one.start, one.end, one.silent) for one in pieces]


def _progressed(job: Job, done: Done, seconds: float | None = None) -> Job:
    """The job with what its journal says."""
    return replace(
        job,
        duration=done.position / SAMPLE_RATE if done.cut else job.duration,
        heard=done.samples / SAMPLE_RATE,
        pieces=len(done.stretches),
        done=len(done.heard),
        cut=done.cut,
        elapsed=done.seconds if seconds is None else seconds,
    )
