"""What a batch worker's process holds: connections, one loaded model. Made when first needed."""

from __future__ import annotations

import os
import time
from functools import cache
from typing import Final

from asr_tasks import log
from asr_tasks.batch.settings import BatchSettings
from asr_tasks.batch.work import Work
from asr_tasks.catalogue import Catalogue, Entry
from asr_tasks.contracts.jobs import JobRequest
from asr_tasks.jobs.redis_jobs import checked as check_request
from asr_tasks.jobs.redis_records import JobRecords
from asr_tasks.recognizers import offline
from asr_tasks.recognizers.offline import OfflineRecognizer

_log = log.get("asr.batch")

LOOK_SECONDS: Final = 0.5
LONGEST_REST: Final = 20.0
"""Then a piece is heard all the same: a batch job must not stand still for ever."""

_loaded: dict[str, OfflineRecognizer] = {}


@cache
def settings() -> BatchSettings:
    """Of this process."""
    return BatchSettings.load()


@cache
def records() -> JobRecords:
    """Where the jobs are."""
    return JobRecords.connect(settings().redis_url, expires=settings().job_expires)


@cache
def catalogue() -> Catalogue:
    """The models."""
    return Catalogue.load(settings().catalogue)


@cache
def work() -> Work:
    """The steps, over what this process holds."""
    from asr_tasks.batch.tasks import CeleryMessages

    return Work(records(), CeleryMessages(), catalogue(), recognizer, rest)


def checked(request: JobRequest) -> JobRequest:
    """A request that came from any Celery client, with its model and name filled in.

    Raises:
        UnknownModel, BadParameter: it cannot be.
    """
    return check_request(request, catalogue())


def has_only(model: str) -> bool:
    """Whether this process hears with this model and no other.

    One that has several leaves it to their queues which it loads next.
    """
    return settings().models == [model]


def recognizer(entry: Entry) -> OfflineRecognizer:
    """The model's recogniser; another model's is dropped for it."""
    found = _loaded.get(entry.name)
    if found is None:
        _loaded.clear()
        _log.info("loading", model=entry.name)
        found = _loaded[entry.name] = offline.load(entry, settings().batch_threads)
    return found


def rest() -> None:
    """Wait while the machine is busy with other things, for a while."""
    limit = settings().batch_load
    cores = os.cpu_count() or 1
    deadline = time.monotonic() + LONGEST_REST
    while limit and os.getloadavg()[0] / cores > limit and time.monotonic() < deadline:
        time.sleep(LOOK_SECONDS)


def over(job: str, request: JobRequest) -> None:
    """The job is about to end: tell who asked to be told, once it has."""
    if request.webhook:
        from asr_tasks.batch import webhook_task

        webhook_task.send(job)
