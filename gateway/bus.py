"""Port: how a gateway reaches the two queues of a session."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from asr_tasks.contracts.audio import Chunk
from asr_tasks.contracts.results import Message

Sink = Callable[[Message], None]
"""Takes one result; must not block and must bound what it keeps."""


class QueueGone(Exception):
    """The session's audio queue does not exist (any more)."""


class SessionBus(Protocol):
    """The queues of all sessions of one gateway. All methods run in the event loop, and all but
    :meth:`close` raise BackendDown when the broker does not answer for too long.
    """

    async def start(self) -> None:
        """Connect; returns at once and keeps trying if the broker is not there."""
        ...

    async def declare(self, session: str) -> None:
        """Create both queues; harmless if they exist."""
        ...

    async def publish(self, session: str, chunk: Chunk) -> None:
        """Store a chunk durably; returns once the broker has confirmed it, however many
        connections that takes. One call at a time per session keeps its order.

        Raises:
            QueueGone: nobody would ever read it.
        """
        ...

    async def consume(self, session: str, sink: Sink) -> None:
        """Begin to hand the session's results to ``sink``, in the event loop; goes on over
        reconnects. A sink that was there before gets nothing more.
        """
        ...

    async def delete(self, session: str) -> None:
        """Stop receiving and remove both queues; harmless if they are gone."""
        ...

    async def leave(self, session: str, sink: Sink) -> None:
        """Stop receiving, if ``sink`` is still the one; the queues stay for another gateway."""
        ...

    def ready(self) -> bool:
        """Whether the broker is connected; of an alarm see :meth:`unblocked`."""
        ...

    async def unblocked(self, seconds: float) -> bool:
        """Whether within ``seconds`` no alarm of the broker holds publishers back; a broker says
        so only to those who have published since it began.
        """
        ...

    async def close(self) -> None:
        """Disconnect; waiting calls raise BackendDown."""
        ...
