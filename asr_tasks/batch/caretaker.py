"""Begins jobs again whose messages are lost, and ends those that were revoked.

Every batch worker has one. A job is looked after when nothing has happened to it for a while, on
this process's own monotonic clock, though nothing is queued; the script ``nudge`` lets one of the
caretakers act. What it sends twice does no harm (see :mod:`asr_tasks.jobs`).
"""

from __future__ import annotations

import random
import threading
import time
from typing import Any, Final

from kombu.exceptions import KombuError, OperationalError

from asr_tasks import log
from asr_tasks.batch.settings import BatchSettings
from asr_tasks.contracts import names
from asr_tasks.contracts.errors import AsrError
from asr_tasks.contracts.jobs import JOB_TASK, JobState
from asr_tasks.jobs.launch import arguments_of
from asr_tasks.jobs.records import Kept
from asr_tasks.jobs.redis_records import JobRecords, Over

_log = log.get("asr.batch")

CLOSE_SECONDS: Final = 10.0
PAGE: Final = 200

BACKLOG: Final = 30
"""Where messages wait, a job that stands still waits for its turn, so it is given so many times as
long: the queue may never be empty."""


class Caretaker:
    """A thread; used once.

    Args:
        app: sends messages, and asks RabbitMQ whether anything is queued.
        settings: of the worker.
    """

    def __init__(self, app: Any, settings: BatchSettings) -> None:
        self._app = app
        self._settings = settings
        self._records = JobRecords.connect(settings.redis_url, expires=settings.job_expires)
        self._seen: dict[str, tuple[int, float]] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="caretaker", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def close(self) -> None:
        """End the thread."""
        self._ended.set()
        self._thread.join(CLOSE_SECONDS)
        self._records.close()

    def look(self) -> None:
        """See to all jobs once.

        Raises:
            BackendDown: Redis does not answer.
        """
        live = self._records.live()
        now = time.monotonic()
        for job in set(self._seen) - set(live):
            del self._seen[job]
        for at in range(0, len(live), PAGE):
            for kept in self._records.look(live[at : at + PAGE]):
                self._see_to(kept, now)

    def _run(self) -> None:
        while not self._ended.wait(self._settings.caretaker_seconds * random.uniform(0.7, 1.0)):
            try:
                self.look()
            except (AsrError, KombuError, OperationalError, OSError) as error:
                _log.warning("jobs not looked after", error=str(error)[:200])
            except Exception:
                # The jobs must not be left alone because of one of them.
                _log.exception("looking after the jobs fails")

    def _see_to(self, kept: Kept, now: float) -> None:
        job = kept.job
        if self._is_revoked(job.id):
            self._records.end(job.id, JobState.CANCELLED, "cancelled", "Revoked in Celery.")
            return
        serial, since = self._seen.get(job.id, (-1, now))
        if serial != kept.serial:
            self._seen[job.id] = (kept.serial, now)
            return
        still, limit = now - since, self._settings.batch_stall_seconds
        if still < limit or (still < BACKLOG * limit and self._queued(job.request.model)):
            return
        if self._records.nudge(job.id, kept.serial):
            _log.warning("job stands still, begun again", job=job.id, state=job.state.value)
            self._begin_again(kept)
        self._seen[job.id] = (kept.serial, now)

    def _begin_again(self, kept: Kept) -> None:
        job = kept.job
        if job.state is JobState.QUEUED:
            self._app.send_task(
                JOB_TASK, kwargs=arguments_of(job.request), task_id=job.id, queue=names.BATCH_QUEUE
            )
            return
        from asr_tasks.batch.process import catalogue
        from asr_tasks.batch.tasks import CeleryMessages
        from asr_tasks.batch.work import Work

        try:
            Work(self._records, CeleryMessages(), catalogue(), _none).send_missing(job.id)
        except Over:
            return

    def _queued(self, model: str) -> bool:
        """Whether messages wait: then a job that stands still waits for its turn."""
        with self._app.connection_for_write() as connection:
            for queue in (names.BATCH_QUEUE, names.batch_queue(model)):
                try:
                    found = connection.default_channel.queue_declare(queue, passive=True)
                except connection.channel_errors:
                    continue  # no such queue, so nothing waits in it
                if found.message_count:
                    return True
        return False

    def _is_revoked(self, job: str) -> bool:
        from celery.worker import state

        return job in state.revoked


def _none(entry: Any) -> Any:
    raise AssertionError("the caretaker hears nothing")
