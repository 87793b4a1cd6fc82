"""Batch jobs in this process, for tests of the gateway: what is recognised is checked by its sum.

A recording is a wav of 16 kHz mono; its transcript has the fake worker's word for each two
seconds, so every byte that an upload loses shows. Anything else fails as bad audio does.
"""

from __future__ import annotations

import asyncio
import wave
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from asr_tasks.contracts.errors import AsrError, BackendDown, BadAudio, UnknownModel
from asr_tasks.contracts.jobs import Job, JobRequest, JobState
from asr_tasks.contracts.results import Word
from asr_tasks.contracts.transcript import Transcript, Utterance
from tests.support.fake_worker import RATE, SEGMENT, spoken

DEFAULT_MODEL = "english"


@dataclass
class MemoryJobs:
    """Implements :class:`asr_tasks.contracts.jobs.Jobs`."""

    workers: bool = True
    """Whether anybody begins with a job."""
    pace: asyncio.Semaphore | None = None
    """If there is one, each piece takes one of it."""
    fault: AsrError | None = None
    """What every job fails with."""
    down: bool = False
    jobs: dict[str, Job] = field(default_factory=dict)
    heard: dict[str, list[Utterance]] = field(default_factory=dict)
    closed: bool = False
    _working: dict[str, asyncio.Task[None]] = field(default_factory=dict)

    async def create(self, request: JobRequest, job: str = "") -> Job:
        self._answer()
        if job in self.jobs:
            return self.jobs[job]
        if request.model not in ("", DEFAULT_MODEL):
            raise UnknownModel(f"no model is called {request.model!r}")
        name = request.name or request.source.rsplit("/", 1)[-1]
        request = replace(request, model=DEFAULT_MODEL, name=name)
        self.jobs[job] = Job(job, request, created=float(len(self.jobs)))
        self._begin(job)
        return self.jobs[job]

    async def get(self, job: str) -> Job | None:
        self._answer()
        return self.jobs.get(job)

    async def recent(
        self, limit: int = 50, state: JobState | None = None, after: str = ""
    ) -> Sequence[Job]:
        self._answer()
        newest = list(reversed(self.jobs.values()))
        if after:
            places = [n for n, job in enumerate(newest) if job.id == after]
            newest = newest[places[0] + 1 :] if places else []
        return [job for job in newest if state in (None, job.state)][:limit]

    async def cancel(self, job: str) -> Job | None:
        self._answer()
        if job in self.jobs and not self.jobs[job].state.over:
            if (task := self._working.pop(job, None)) is not None:
                task.cancel()
            self._change(job, state=JobState.CANCELLED)
        return self.jobs.get(job)

    async def retry(self, job: str) -> Job | None:
        self._answer()
        found = self.jobs.get(job)
        if found is not None and found.state in (JobState.FAILED, JobState.CANCELLED):
            self._change(job, state=JobState.QUEUED, attempt=found.attempt + 1, code="", message="")
            self._begin(job)
        return self.jobs.get(job)

    async def transcript(self, job: str) -> Transcript | None:
        self._answer()
        if job not in self.jobs or self.jobs[job].state is not JobState.DONE:
            return None
        return await self.so_far(job)

    async def so_far(self, job: str) -> Transcript | None:
        self._answer()
        if job not in self.jobs:
            return None
        utterances = tuple(self.heard.get(job, ()))
        return Transcript(DEFAULT_MODEL, "en", self.jobs[job].duration, utterances)

    async def close(self) -> None:
        self.closed = True
        for task in self._working.values():
            task.cancel()
        await asyncio.gather(*self._working.values(), return_exceptions=True)

    def _answer(self) -> None:
        if self.down:
            raise BackendDown

    def _change(self, job: str, **changes: object) -> None:
        self.jobs[job] = replace(self.jobs[job], **changes)  # type: ignore[arg-type]

    def _begin(self, job: str) -> None:
        if self.workers:
            self._working[job] = asyncio.create_task(self._work(job), name=f"fake job {job}")

    async def _work(self, job: str) -> None:
        try:
            await self._recognise(job)
        except AsrError as error:
            self._change(job, state=JobState.FAILED, code=error.code, message=str(error))

    async def _recognise(self, job: str) -> None:
        self._change(job, state=JobState.RUNNING)
        if self.fault is not None:
            raise self.fault
        pcm = await asyncio.to_thread(_samples, Path(self.jobs[job].request.source))
        pieces = [pcm[at : at + 2 * SEGMENT] for at in range(0, len(pcm), 2 * SEGMENT)]
        self.heard[job] = []
        self._change(job, duration=len(pcm) / 2 / RATE, pieces=len(pieces), cut=True, done=0)
        for number, piece in enumerate(pieces):
            if self.pace is not None:
                await self.pace.acquire()
            self.heard[job].append(_utterance(number, piece))
            heard = self.heard[job][-1].end
            self._change(job, done=number + 1, heard=heard, elapsed=(number + 1) * 0.1)
        self._change(job, state=JobState.DONE)


def _samples(path: Path) -> bytes:
    try:
        with wave.open(str(path), "rb") as recording:
            return recording.readframes(recording.getnframes())
    except (wave.Error, EOFError, OSError) as error:
        raise BadAudio(f"not a wav: {error}") from error


def _utterance(number: int, piece: bytes) -> Utterance:
    start = number * SEGMENT / RATE
    end = start + len(piece) / 2 / RATE
    word = spoken(piece)
    return Utterance(start, end, word, (Word(word, start, end, 0.9),), 0.9)
