"""The two queues of a session, as a worker sees them: over AMQP, or in this process."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from asr_tasks.transport.base import ProcessTransport


def connect(url: str, name: str = "", *, heartbeat: int | None = None) -> ProcessTransport:
    """The transport of a broker URL; ``memory://`` is this process's own broker.

    Args:
        url: ``amqp://…``, ``amqps://…`` or ``memory://NAME``.
        name: of the worker, for the broker's list of connections.
        heartbeat: AMQP heartbeat of the connection that reads audio, seconds; None: the default.

    Connecting happens in the background: a broker that is away is no error here.
    """
    if url.startswith("memory://"):
        from asr_tasks.transport.memory_transport import InProcessTransport

        return InProcessTransport.connect(url)
    from asr_tasks.transport.amqp import HEARTBEAT_SECONDS, AmqpTransport

    return AmqpTransport(url, name, heartbeat=heartbeat or HEARTBEAT_SECONDS)
