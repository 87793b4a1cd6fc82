"""The message that begins a job, as Celery's task protocol 2 writes it.

https://docs.celeryq.dev/en/stable/internals/protocol.html

Written here for who has no Celery (the gateway); a contract test compares it with Celery's own.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from asr_tasks.contracts import names
from asr_tasks.contracts.errors import BackendDown
from asr_tasks.contracts.jobs import JOB_TASK, JobRequest
from asr_tasks.jobs.redis_jobs import Launch


@dataclass(frozen=True, slots=True)
class TaskMessage:
    """What to publish to the default exchange, persistent, with confirmation.

    Attributes:
        routing_key: the queue.
        headers: of the task.
        body: JSON, UTF-8.
        correlation_id: the task's id.
        content_type, content_encoding: of the body.
    """

    routing_key: str
    headers: dict[str, Any]
    body: bytes
    correlation_id: str
    content_type: str = "application/json"
    content_encoding: str = "utf-8"


def arguments_of(request: JobRequest) -> dict[str, str]:
    """The keyword arguments of the job's task."""
    return asdict(request)


def message_of(job: str, request: JobRequest) -> TaskMessage:
    """The message that begins a job."""
    arguments = arguments_of(request)
    headers = {
        "lang": "py",
        "task": JOB_TASK,
        "id": job,
        "root_id": job,
        "parent_id": None,
        "group": None,
        "group_index": None,
        "shadow": None,
        "eta": None,
        "expires": None,
        "retries": 0,
        "timelimit": [None, None],
        "argsrepr": "()",
        "kwargsrepr": repr(arguments),
        "origin": f"gen{os.getpid()}@{socket.gethostname()}",
        "ignore_result": None,
    }
    embed = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}
    body = json.dumps([[], arguments, embed], ensure_ascii=False).encode()
    return TaskMessage(names.BATCH_QUEUE, headers, body, job)


def by_celery(send_task: Callable[..., Any]) -> Launch:
    """A launcher for a process that has a Celery app: ``by_celery(app.send_task)``."""

    async def launch(job: str, request: JobRequest) -> None:
        try:
            await asyncio.to_thread(
                send_task,
                JOB_TASK,
                kwargs=arguments_of(request),
                task_id=job,
                queue=names.BATCH_QUEUE,
            )
        except Exception as error:
            # Whatever the broker's client raises: the job is kept, and the caretaker will find it.
            raise BackendDown(f"rabbitmq: {error}") from error

    return launch
