"""Have recordings transcribed and write what was said: by servers or in this process, alike."""

from __future__ import annotations

import asyncio
import random
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol, TypeVar

from asr_cli.transcribe.outputs import Outputs
from asr_cli.transcribe.recordings import Recording
from asr_tasks.contracts.errors import AsrError, BackendDown, NoTranscript, UnknownJob
from asr_tasks.contracts.jobs import Job, JobRequest, Jobs, JobState
from asr_tasks.contracts.transcript import Transcript, Utterance

LOOK_SECONDS: Final = 0.25
LOOKED_AT: Final = 100
"""Jobs that are asked about in one round; the others have their turn in the next ones."""

AWAY_SECONDS: Final = 60.0
"""So long the servers may be away; the jobs are theirs and wait."""

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Task:
    """One recording's part in a run.

    Attributes:
        recording: what is transcribed.
        request: as it is given to the jobs.
        job: its id.
        outputs: to be written.
    """

    recording: Recording
    request: JobRequest
    job: str
    outputs: Outputs


class View(Protocol):
    """Shows a run to somebody."""

    def progress(self, task: Task, job: Job) -> None:
        """It is queued, or so far."""
        ...

    def said(self, task: Task, utterances: Sequence[Utterance]) -> None:
        """More of it is known; in order, each once."""
        ...

    def done(self, task: Task, job: Job, transcript: Transcript) -> None:
        """Its outputs are written."""
        ...

    def failed(self, task: Task, code: str, message: str) -> None:
        """There will be no outputs of it."""
        ...

    def away(self, message: str) -> None:
        """The servers do not answer; asked again."""
        ...

    def tick(self) -> None:
        """Some time has passed."""
        ...


@dataclass(slots=True)
class Result:
    """How far a run came: the tasks by outcome, and what failed with its code and message."""

    done: list[Task] = field(default_factory=list)
    failed: list[tuple[Task, str, str]] = field(default_factory=list)

    @property
    def over(self) -> int:
        """How many have an outcome."""
        return len(self.done) + len(self.failed)


class Run:
    """One run over some tasks.

    Args:
        jobs: where the work is done; not closed here.
        view: is told everything.
        result: is filled while it runs, so that it is there whatever ends the run.
        follow: tell what is said while it becomes known.
    """

    def __init__(self, jobs: Jobs, view: View, result: Result, *, follow: bool = False) -> None:
        self._jobs = jobs
        self._view = view
        self._follow = follow
        self._told: dict[str, int] = {}
        self._seen: dict[str, int] = {}
        self._answered = False
        self._result = result

    async def run(self, tasks: Sequence[Task]) -> None:
        """Until every task is done or has failed.

        Raises:
            BackendDown: the servers stay away. The jobs that were created go on without us.
        """
        waiting: deque[Task] = deque()
        for task in tasks:
            if await self._create(task):
                waiting.append(task)
        while waiting:
            for _ in range(min(len(waiting), LOOKED_AT)):
                task = waiting.popleft()
                if not await self._look(task):
                    waiting.append(task)
            self._view.tick()
            await asyncio.sleep(LOOK_SECONDS)

    async def _create(self, task: Task) -> bool:
        """Whether it was accepted."""

        async def create() -> Job | None:
            job = await self._jobs.create(task.request, task.job)
            if job.state in (JobState.FAILED, JobState.CANCELLED):
                return await self._jobs.retry(task.job)  # asked for again: so it is tried again
            return job

        try:
            job = await self._patiently(create)
        except BackendDown:
            raise
        except AsrError as error:
            self._fail(task, error)
            return False
        if job is not None:
            self._view.progress(task, job)
        return True

    async def _look(self, task: Task) -> bool:
        """Whether it is over."""
        job = await self._patiently(lambda: self._jobs.get(task.job))
        if job is None:
            self._fail(task, UnknownJob("The job has expired or was deleted."))
            return True
        if job.state in (JobState.FAILED, JobState.CANCELLED):
            self._fail(task, job)
            return True
        self._view.progress(task, job)
        if job.state is JobState.DONE:
            await self._finish(task, job)
            return True
        if self._follow and job.done != self._seen.get(task.job):
            self._seen[task.job] = job.done
            so_far = await self._patiently(lambda: self._jobs.so_far(task.job))
            self._tell(task, so_far)
        return False

    async def _finish(self, task: Task, job: Job) -> None:
        try:
            transcript = await self._patiently(lambda: self._jobs.transcript(task.job))
            if transcript is None:
                raise NoTranscript("The job's transcript has expired; run with --force.")
            if self._follow:
                self._tell(task, transcript)
            await asyncio.to_thread(task.outputs.write, transcript)
        except BackendDown:
            raise
        except AsrError as error:
            self._fail(task, error)
            return
        self._result.done.append(task)
        self._view.done(task, job, transcript)

    def _tell(self, task: Task, transcript: Transcript | None) -> None:
        told = self._told.get(task.job, 0)
        if transcript is not None and len(transcript.utterances) > told:
            self._told[task.job] = len(transcript.utterances)
            self._view.said(task, transcript.utterances[told:])

    def _fail(self, task: Task, reason: AsrError | Job) -> None:
        message = reason.message if isinstance(reason, Job) else str(reason)
        self._result.failed.append((task, reason.code, message))
        self._view.failed(task, reason.code, message)

    async def _patiently(self, ask: Callable[[], Awaitable[Answer]]) -> Answer:
        """Ask; servers that are away are asked again for a while."""
        deadline, delay = time.monotonic() + AWAY_SECONDS, LOOK_SECONDS
        while True:
            try:
                answer = await ask()
            except BackendDown as error:
                # The very first question: a wrong address should not take a minute to show.
                if time.monotonic() > deadline or not self._answered:
                    raise
                self._view.away(str(error))
            else:
                self._answered = True
                return answer
            await asyncio.sleep(delay * random.uniform(0.5, 1.0))
            delay = min(delay * 2, 5.0)
