"""The jobs of real servers: Redis keeps them, RabbitMQ carries the message that begins one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from allocator.dispatcher import producer_app
from asr_tasks.catalogue import Catalogue
from asr_tasks.jobs.launch import by_celery
from asr_tasks.jobs.redis_jobs import RedisJobs
from asr_tasks.settings import Settings


@asynccontextmanager
async def connected(settings: Settings) -> AsyncIterator[RedisJobs]:
    """The jobs that these servers keep.

    Raises:
        BackendDown: by whoever asks, when a server does not answer.
    """
    app = producer_app(settings.broker_url, settings.queue_type)
    jobs = RedisJobs.connect(
        settings.redis_url,
        by_celery(app.send_task),
        Catalogue.load(settings.catalogue),
        expires=settings.job_expires,
    )
    try:
        yield jobs
    finally:
        await jobs.close()
        app.close()
