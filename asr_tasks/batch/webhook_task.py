"""The Celery task that tells a job's webhook: acknowledged late, so it outlives its worker.

It is sent before the job is over, and waits for that: who dies between the two repeats both, so a
job is told of at least once, and twice only after a death, with the same id.
"""

from __future__ import annotations

import asyncio
import random
from datetime import UTC, datetime
from typing import Final

from celery import Task

from asr_tasks import log
from asr_tasks.batch import process
from asr_tasks.batch.webhook import Away, Refused, notice_of, post
from asr_tasks.celery import app
from asr_tasks.contracts import names
from asr_tasks.contracts.errors import BackendDown
from asr_tasks.jobs.redis_records import JobRecords

RETRIES: Final = 12
FIRST_PAUSE: Final = 2.0
LONGEST_PAUSE: Final = 600.0
"""Seconds; doubled each time, in all about an hour. Never near the half hour for which RabbitMQ
leaves a message with one worker."""

_log = log.get("asr.batch")


@app.task(  # type: ignore[untyped-decorator]
    bind=True,
    name="asr.batch.webhook",
    acks_late=True,
    reject_on_worker_lost=True,
    max_retries=RETRIES,
    ignore_result=True,
)
def webhook(self: Task, job: str) -> None:
    """Tell who wants to know that the job is over."""
    secret = process.settings().webhook_secret.get_secret_value()
    try:
        tell(process.records(), job, secret)
    except (Refused, ValueError) as error:
        _log.error("a webhook is given up", job=job, reason=str(error))
    except (Away, BackendDown) as error:
        if self.request.retries >= RETRIES:
            _log.error("a webhook is given up", job=job, reason=str(error))
            return
        pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2**self.request.retries)
        _log.info("a webhook is told again later", job=job, reason=str(error), seconds=pause)
        raise self.retry(exc=error, countdown=pause * random.uniform(0.5, 1.0)) from error


def send(job: str) -> None:
    """Have it told."""
    webhook.apply_async((job,), queue=names.BATCH_QUEUE)


def tell(records: JobRecords, job: str, secret: str) -> None:
    """Tell it once.

    Raises:
        Away: the job is not over yet, or who is to be told does not answer.
        Refused: nobody wants to be told.
        ValueError: the secret cannot be one.
        BackendDown: Redis does not answer.
    """
    found = records.look([job])
    if not found or not found[0].job.request.webhook:
        raise Refused("there is no such job any more")
    kept = found[0].job
    if not kept.state.over:
        raise Away("the job is not over yet")
    if not secret:
        raise ValueError("ASR_WEBHOOK_SECRET is empty")
    asyncio.run(post(kept.request.webhook, notice_of(kept, datetime.now(UTC)), secret))
    _log.info("a webhook was told", job=job, state=kept.state.value)
