"""The jobs of real servers: Redis keeps them, RabbitMQ carries the message that begins one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import asdict
from typing import Any

import click
from celery import Celery
from kombu.exceptions import KombuError, OperationalError

from allocator.dispatcher import producer_app
from asr_tasks.catalogue import Catalogue
from asr_tasks.contracts import names
from asr_tasks.contracts.errors import BackendDown
from asr_tasks.contracts.jobs import JOB_TASK, JobRequest
from asr_tasks.jobs.redis_jobs import RedisJobs
from asr_tasks.settings import Settings, masked

broker_option = click.option(
    "--broker", default=None, help="amqp://… of the workers.  [default: ASR_BROKER_URL]"
)
redis_option = click.option(
    "--redis", default=None, help="redis://… of the workers.  [default: ASR_REDIS_URL]"
)


@asynccontextmanager
async def connected(settings: Settings) -> AsyncIterator[RedisJobs]:
    """The jobs that these servers keep.

    Raises:
        BackendDown: by whoever asks, when a server does not answer.
    """
    sender = _Sender(settings.broker_url)
    jobs = RedisJobs.connect(
        settings.redis_url,
        sender.launch,
        Catalogue.load(settings.catalogue),
        expires=settings.job_expires,
    )
    try:
        yield jobs
    finally:
        await jobs.close()
        sender.close()


class _Sender:
    """Sends with Celery, from one thread, on that thread's own connection."""

    def __init__(self, broker_url: str) -> None:
        self._url = broker_url
        self._app: Celery | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="send")

    async def launch(self, job: str, request: JobRequest) -> None:
        """Send the message that begins the job.

        Raises:
            BackendDown: the broker does not take it; the job is kept, and begun by the caretaker.
        """
        await asyncio.get_running_loop().run_in_executor(self._thread, self._send, job, request)

    def close(self) -> None:
        """Let go of the connection."""
        self._thread.shutdown(wait=True)
        if self._app is not None:
            self._app.close()

    def _send(self, job: str, request: JobRequest) -> None:
        if self._app is None:
            self._app = producer_app(self._url)
        fields: dict[str, Any] = asdict(request)
        try:
            self._app.send_task(
                JOB_TASK, kwargs=fields, task_id=job, queue=names.BATCH_QUEUE, retry=False
            )
        except (KombuError, OperationalError, OSError) as error:
            raise BackendDown(
                f"RabbitMQ at {masked(self._url)} does not answer: {error}"
            ) from error
