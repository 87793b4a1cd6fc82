"""The Celery tasks of a job.

Acknowledged late and given back when their process dies: RabbitMQ keeps each until it is done. Each
is short, far below the half hour after which RabbitMQ would take the worker's channel away.

A short recording is one of them from its beginning to its end: ``transcribe`` itself where the
worker has only its model, else ``cut``.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any, Final

from celery import Task
from celery.exceptions import Ignore, TaskRevokedError
from kombu.exceptions import KombuError, OperationalError

from asr_tasks import log
from asr_tasks.batch import plan, process
from asr_tasks.batch.work import Joined
from asr_tasks.celery import app
from asr_tasks.contracts import names
from asr_tasks.contracts.errors import AsrError, ModelUnavailable, Unavailable
from asr_tasks.contracts.jobs import JOB_TASK, Channels, Format, JobRequest, JobState
from asr_tasks.contracts.transcript import Transcript
from asr_tasks.jobs.launch import arguments_of
from asr_tasks.jobs.records import Kept
from asr_tasks.jobs.redis_records import Over

_log = log.get("asr.batch")

SAFE_SECONDS: Final = 5.0
"""After so long Redis has on its disk what it was told (`appendfsync everysec`: one to two)."""

RETRIES: Final = 8
FIRST_PAUSE: Final = 1.0
LONGEST_PAUSE: Final = 120.0
"""Of what may pass by itself: a source, Redis or RabbitMQ that does not answer. Seconds; doubled
each time, in all about five minutes."""

_PASSING: Final = (Unavailable, KombuError, OperationalError, ConnectionError)

_DURABLE: Final[dict[str, Any]] = {
    "acks_late": True,
    "reject_on_worker_lost": True,
    "max_retries": RETRIES,
    "ignore_result": True,
}


@app.task(  # type: ignore[untyped-decorator]  # Celery ships no types
    bind=True, name=JOB_TASK, queue=names.BATCH_QUEUE, **_DURABLE | {"ignore_result": False}
)
def transcribe(
    self: Task,
    source: str,
    target: str = "",
    model: str = "",
    language: str = "",
    format: Format = "json",
    channels: Channels = "mix",
    webhook: str = "",
    name: str = "",
) -> None:
    """Transcribe a recording; the job's id is the task's.

    The task's state is PROGRESS until all is heard (its result then says how far it is), then
    SUCCESS with ``{"text", "duration", "target", "model"}``, or FAILURE.
    """
    job = str(self.request.id)
    asked = JobRequest(source, target, model, language, format, channels, webhook, name)

    def begin() -> None:
        request = process.checked(asked)
        assure.apply_async((job, arguments_of(asked)), countdown=SAFE_SECONDS)
        work = process.work()
        kept = work.begin(job, request)
        if plan.is_short(kept) and process.has_only(request.model):
            _at_once(self, job, request.model)
        else:
            work.send_missing(job)
            _progress(self, kept)

    _step(self, job, begin, asked)
    raise Ignore  # the task has not succeeded yet: its result is set by the join


@app.task(  # type: ignore[untyped-decorator]
    bind=True, name="asr.batch.assure", queue=names.BATCH_QUEUE, **_DURABLE
)
def assure(self: Task, job: str, asked: dict[str, Any]) -> None:
    """Begin a job anew if Redis has lost it, with the second in which it was made.

    Its other messages may be acknowledged by then, and its client was told that it is kept.
    """
    young = False

    def look() -> None:
        nonlocal young
        found = process.records().look([job])
        if not found:
            _log.warning("forgotten by Redis, begun again", job=job)
            transcribe.apply_async(kwargs=asked, task_id=job)
        else:
            young = found[0].age < SAFE_SECONDS / 2

    _step(self, job, look)
    if young:  # this machine's clock is ahead of the sender's: Redis's own decides
        raise self.retry(countdown=SAFE_SECONDS)


@app.task(bind=True, name="asr.batch.cut", **_DURABLE)  # type: ignore[untyped-decorator]
def cut(self: Task, job: str, start: int) -> None:
    """Cut a stretch of the recording into pieces; a short recording is heard and joined, too."""
    _step(self, job, lambda: _cut(self, job, start))


@app.task(bind=True, name="asr.batch.hear", **_DURABLE)  # type: ignore[untyped-decorator]
def hear(self: Task, job: str, first: int, last: int) -> None:
    """Recognise some pieces."""
    _step(
        self, job, lambda: process.work().hear(job, first, last, lambda kept: _progress(self, kept))
    )


@app.task(bind=True, name="asr.batch.join", **_DURABLE)  # type: ignore[untyped-decorator]
def join(self: Task, job: str) -> None:
    """Join what was heard, write it, end the job."""
    _step(self, job, lambda: _end(self, process.work().join(job)))


def _at_once(task: Task, job: str, model: str) -> None:
    """All of a short recording, in the task that began it.

    What has to wait goes on as a message of its own, not as a retry of this one: its id is the
    job's, and Celery takes a retry that it cannot note in Redis for the task's failure.
    """
    try:
        _cut(task, job, 0)
    except ModelUnavailable:
        raise
    except _PASSING as error:
        _log.warning("goes on later", job=job, error=str(error)[:200], seconds=FIRST_PAUSE)
        cut.apply_async((job, 0), queue=names.batch_queue(model), countdown=FIRST_PAUSE)


def _cut(task: Task, job: str, start: int) -> None:
    _end(task, process.work().cut(job, start, lambda kept: _progress(task, kept)))


def _end(task: Task, joined: Joined | None) -> None:
    """The job is done, if it is joined."""
    if joined is None:
        return
    kept, transcript = joined
    process.over(kept.job.id, kept.job.request)
    process.records().end(kept.job.id, JobState.DONE, transcript=transcript.to_json())
    # Last: Celery takes the message of whoever dies after it for done, and would not repeat it.
    _succeeded(task, kept, transcript)


def _succeeded(task: Task, kept: Kept, transcript: Transcript) -> None:
    job, request = kept.job.id, kept.job.request
    summary = {
        "text": transcript.text,
        "duration": round(transcript.duration, 3),
        "target": request.target,
        "model": request.model,
    }
    task.backend.store_result(job, summary, "SUCCESS")
    _event(task, "task-succeeded", job, result=transcript.text[:200], runtime=kept.job.elapsed)
    _log.info("job done", job=job, seconds=transcript.duration, elapsed=kept.job.elapsed)


def _step(task: Task, job: str, body: Callable[[], None], asked: JobRequest | None = None) -> None:
    """Run one step: what may pass is tried again, what will not ends the job."""
    try:
        body()
    except Over:
        _over(task, job)
    except ModelUnavailable as error:
        _fail(task, job, error, asked)  # it does not come by waiting
    except _PASSING as error:
        if task.request.retries >= RETRIES:
            _fail(task, job, error, asked)
            return
        pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2**task.request.retries)
        _log.warning("tried again", job=job, task=task.name, error=str(error)[:200], seconds=pause)
        raise task.retry(exc=error, countdown=pause * random.uniform(0.5, 1.0)) from error
    except Exception as error:
        _fail(task, job, error, asked)


def _fail(task: Task, job: str, error: Exception, asked: JobRequest | None) -> None:
    code = error.code if isinstance(error, AsrError) else AsrError.code
    if not isinstance(error, AsrError):
        _log.exception("a step fails", job=job, task=task.name)
    message = str(error) if isinstance(error, AsrError) else f"{type(error).__name__}: {error}"
    records = process.records()
    if asked is not None:
        records.create(job, asked)  # refused before it was kept: it must be seen why
    task.backend.store_result(job, RuntimeError(f"{code}: {message}"), "FAILURE")
    for kept in records.look([job]):
        process.over(job, kept.job.request)
    records.end(job, JobState.FAILED, code, message[:1000])
    _event(task, "task-failed", job, exception=f"{code}: {message}")
    _log.warning("job failed", job=job, code=code, message=message)


def _over(task: Task, job: str) -> None:
    """Say of the task what is kept of the job: who ended it may have died before saying so."""
    for kept in process.records().look([job]):
        if kept.job.state is JobState.CANCELLED:
            task.backend.store_result(job, TaskRevokedError("cancelled"), "REVOKED")
            _event(task, "task-revoked", job, terminated=False, signum=None, expired=False)
        elif kept.job.state is JobState.DONE:
            transcript = process.records().transcript(job)
            if transcript is not None:
                _succeeded(task, kept, transcript)


def _progress(task: Task, kept: Kept) -> None:
    job = kept.job
    if job.state is not JobState.RUNNING:
        return
    done = {
        "pieces": job.pieces,
        "done": job.done,
        "heard": round(job.heard, 1),
        "duration": round(job.duration, 1),
        "speed": round(job.heard / job.elapsed, 1) if job.elapsed else None,
    }
    task.backend.store_result(job.id, done, "PROGRESS")
    _event(task, "task-progress", job.id, **done)


def _event(task: Task, kind: str, job: str, **fields: Any) -> None:
    """Tell Flower: a courtesy, that nobody waits for."""
    try:
        with task.app.events.default_dispatcher(hostname=task.request.hostname) as dispatcher:
            dispatcher.send(kind, uuid=job, retry=False, **fields)
    except (KombuError, OperationalError, OSError) as error:
        _log.debug("event not sent", kind=kind, error=str(error))


class CeleryMessages:
    """Implements :class:`asr_tasks.batch.work.Messages`."""

    def cut(self, job: str, model: str, start: int) -> None:
        cut.apply_async((job, start), queue=names.batch_queue(model))

    def hear(self, job: str, model: str, first: int, last: int) -> None:
        hear.apply_async((job, first, last), queue=names.batch_queue(model))

    def join(self, job: str, model: str) -> None:
        join.apply_async((job,), queue=names.batch_queue(model))
