"""How our queues are declared: the one place that says it.

RabbitMQ refuses a declaration that differs from the first one, so gateway, allocator, worker, tests
and tools all take the arguments from here, and all must be told the same type (`ASR_QUEUE_TYPE`).
All are durable. Classic is the default: a quorum queue of one node cost more broker CPU per chunk
and took twice as long to declare. A broker of three nodes wants quorum queues: a classic one lives
on one node and is away with it.
https://www.rabbitmq.com/docs/queues#optional-arguments
https://www.rabbitmq.com/docs/quorum-queues
"""

from __future__ import annotations

from typing import Any, Final

CLASSIC: Final = "classic"
QUORUM: Final = "quorum"

EXPIRES_MS: Final = 10 * 60 * 1000
"""A queue that nobody consumes for so long is deleted: what a crash of everyone leaves behind."""

TASK_MAX_BYTES: Final = 64 * 1024 * 1024
"""Half an hour of audio; more backlog than this and the gateway is told no, and slows down."""

RESULT_MAX_MESSAGES: Final = 2000
"""Results nobody reads; the oldest go first, finals among them are read from Redis instead."""

DELIVERY_LIMIT: Final = 1_000_000
"""Of a quorum queue. RabbitMQ 4 drops a message at its twentieth delivery unless told otherwise,
and each failover delivers audio again; whose audio kills its workers is found elsewhere
(`asr_tasks/streaming/trial.py`). -1 would say it best, but RabbitMQ 3 refuses that."""

_TASK: Final[dict[str, Any]] = {
    # Two workers never read one queue at once, however a failover and a dead connection overlap.
    "x-single-active-consumer": True,
    "x-expires": EXPIRES_MS,
    "x-max-length-bytes": TASK_MAX_BYTES,
    # Dropping audio silently is not an option: refuse it, and its sender waits.
    "x-overflow": "reject-publish",
}

_RESULT: Final[dict[str, Any]] = {
    "x-expires": EXPIRES_MS,
    "x-max-length": RESULT_MAX_MESSAGES,
    "x-overflow": "drop-head",
}

_QUORUM: Final[dict[str, Any]] = {"x-queue-type": QUORUM, "x-delivery-limit": DELIVERY_LIMIT}


def task_arguments(queue_type: str = CLASSIC) -> dict[str, Any]:
    """Of ``task.<uuid>``, a session's audio."""
    return _TASK | (_QUORUM if queue_type == QUORUM else {})


def result_arguments(queue_type: str = CLASSIC) -> dict[str, Any]:
    """Of ``result.<uuid>``, a session's results."""
    return _RESULT | (_QUORUM if queue_type == QUORUM else {})


def dispatch_arguments(queue_type: str = CLASSIC) -> dict[str, Any]:
    """Of ``asr@NAME.dq2``, what a worker is told to begin.

    A quorum queue cannot be deleted on the condition that nobody consumes it, as the allocator
    does with a classic one of a worker that is gone: it expires.
    """
    return _QUORUM | {"x-expires": EXPIRES_MS} if queue_type == QUORUM else {}
