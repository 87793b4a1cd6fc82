"""How the two queues of a session are declared: the one place that says it.

RabbitMQ refuses a declaration that differs from the first one, so gateway, worker, tests and
tools all take the arguments from here. Both queues are durable and of the classic type: a
quorum queue of one node cost more broker CPU per chunk and took twice as long to declare.
https://www.rabbitmq.com/docs/queues#optional-arguments
"""

from __future__ import annotations

from typing import Any, Final

EXPIRES_MS: Final = 10 * 60 * 1000
"""A queue that nobody consumes for so long is deleted: what a crash of everyone leaves behind."""

TASK_MAX_BYTES: Final = 64 * 1024 * 1024
"""Half an hour of audio; more backlog than this and the gateway is told no, and slows down."""

RESULT_MAX_MESSAGES: Final = 2000
"""Results nobody reads; the oldest go first, finals among them are read from Redis instead."""

TASK_ARGUMENTS: Final[dict[str, Any]] = {
    # Two workers never read one queue at once, however a failover and a dead connection overlap.
    "x-single-active-consumer": True,
    "x-expires": EXPIRES_MS,
    "x-max-length-bytes": TASK_MAX_BYTES,
    # Dropping audio silently is not an option: refuse it, and its sender waits.
    "x-overflow": "reject-publish",
}

RESULT_ARGUMENTS: Final[dict[str, Any]] = {
    "x-expires": EXPIRES_MS,
    "x-max-length": RESULT_MAX_MESSAGES,
    "x-overflow": "drop-head",
}
