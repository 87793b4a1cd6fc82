"""Ports: how a stream's thread reaches the queues of its session."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from asr_tasks.contracts.audio import Chunk
from asr_tasks.contracts.errors import BackendDown
from asr_tasks.contracts.results import Message


class QueueGone(BackendDown):
    """The session's audio queue does not exist (any more): deleted, expired, never declared."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One audio message as the broker gave it.

    Attributes:
        chunk: the audio.
        tag: what the transport needs to acknowledge it; means nothing to anyone else.
        redelivered: it was delivered before, to someone who may not have read it.
    """

    chunk: Chunk
    tag: object
    redelivered: bool


class SessionQueues(Protocol):
    """The queues of one session; used by exactly one stream thread."""

    @property
    def connected(self) -> bool:
        """Whether deliveries could come now; if not, silence says nothing."""
        ...

    def receive(self, timeout: float) -> Delivery | None:
        """The next delivery in the broker's order, or None after ``timeout`` seconds.

        A connection that breaks is restored meanwhile; what was held is then delivered again.

        Raises:
            QueueGone: the queue was deleted under us.
            BackendDown: the transport was closed.
        """
        ...

    def ack(self, deliveries: Sequence[Delivery]) -> None:
        """Give them up for good; one of a connection that is gone is a no-op."""
        ...

    def publish(self, message: Message, *, confirm: bool) -> None:
        """Send to the result queue; without ``confirm`` it may be lost when the broker is away.

        Raises:
            BackendDown: ``confirm`` was asked for and the broker did not answer in time.
        """
        ...

    def close(self) -> None:
        """Stop consuming; audio that was not acknowledged goes back to the queue."""
        ...


class Transport(Protocol):
    """One per worker process; any thread may call it."""

    def open(self, session: str) -> SessionQueues:
        """Begin to consume a session's audio.

        Raises:
            QueueGone: there is no such queue.
            BackendDown: the broker does not answer.
        """
        ...

    def delete(self, session: str) -> None:
        """Remove both queues of a session; harmless if they are gone.

        Raises:
            BackendDown: the broker does not answer.
        """
        ...

    def close(self) -> None:
        """Stop everything; streams that are still open see BackendDown."""
        ...


class ProcessTransport(Transport, Protocol):
    """A transport as the process that owns it sees it."""

    def ready(self) -> bool:
        """Whether the broker can be reached now."""
        ...
