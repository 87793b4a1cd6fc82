"""Recordings handed to batch workers, and the time until all are transcribed."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

from celery import Celery

from asr_tasks.catalogue import Catalogue
from asr_tasks.contracts.jobs import Job, JobRequest, JobState
from asr_tasks.jobs.launch import by_celery
from asr_tasks.jobs.redis_jobs import RedisJobs
from tests.support.cluster import Cluster

LOOK_SECONDS = 0.1
LONGEST_SECONDS = 6 * 3600.0


@contextlib.asynccontextmanager
async def client(cluster: Cluster) -> AsyncIterator[RedisJobs]:
    """Jobs as their clients see them."""
    with Celery(broker=cluster.broker) as app:
        app.conf.broker_transport_options = {"confirm_publish": True}
        launch = by_celery(app.send_task)
        jobs = RedisJobs.connect(cluster.redis, launch, Catalogue.load(), expires=3600)
        try:
            yield jobs
        finally:
            await jobs.close()


async def transcribed(
    cluster: Cluster, paths: Sequence[Path], each: Callable[[Sequence[Job]], None] = lambda _: None
) -> float:
    """Make a job of each file. Returns the seconds until the last one is done.

    Args:
        paths: of the recordings.
        each: is told the jobs every now and then.

    Raises:
        RuntimeError: a job failed.
        TimeoutError: it takes for ever.
    """
    async with client(cluster) as jobs, asyncio.timeout(LONGEST_SECONDS):
        began = time.perf_counter()
        made = [(await jobs.create(JobRequest(str(path)))).id for path in paths]
        while True:
            found = [job for one in made if (job := await jobs.get(one)) is not None]
            each(found)
            for job in found:
                if job.state in (JobState.FAILED, JobState.CANCELLED):
                    raise RuntimeError(f"{job.request.name}: {job.message}")
            if all(job.state is JobState.DONE for job in found):
                return time.perf_counter() - began
            await asyncio.sleep(LOOK_SECONDS)
