"""A worker's session queues on the in-process broker."""

from __future__ import annotations

import contextlib
import queue
from collections.abc import Sequence
from threading import Lock
from typing import Any

from asr_tasks.contracts import names
from asr_tasks.contracts.audio import Chunk
from asr_tasks.contracts.errors import BackendDown
from asr_tasks.contracts.results import Message
from asr_tasks.transport.base import Delivery, QueueGone
from asr_tasks.transport.memory_broker import InProcessBroker, QueueMissing, broker_for

PREFETCH = 256
"""As over AMQP."""


class InProcessTransport:
    """Implements :class:`asr_tasks.transport.base.Transport`."""

    def __init__(self, broker: InProcessBroker) -> None:
        self._broker = broker
        self._lock = Lock()
        self._open: set[InProcessQueues] = set()
        self._closed = False

    @classmethod
    def connect(cls, url: str) -> InProcessTransport:
        """The transport on this process's broker of a ``memory://`` URL."""
        return cls(broker_for(url))

    def open(self, session: str) -> InProcessQueues:
        if self._closed:
            raise BackendDown("the transport is closed")
        queues = InProcessQueues(self._broker, session, self._forget)
        with self._lock:
            self._open.add(queues)
        return queues

    def delete(self, session: str) -> None:
        self._broker.delete(names.task_queue(session))
        self._broker.delete(names.result_queue(session))

    def ready(self) -> bool:
        return not self._closed

    def close(self) -> None:
        self._closed = True
        with self._lock:
            left = list(self._open)
        for queues in left:
            queues.fail(BackendDown("the transport is closed"))
            queues.close()

    def _forget(self, queues: InProcessQueues) -> None:
        with self._lock:
            self._open.discard(queues)


class InProcessQueues:
    """Implements :class:`asr_tasks.transport.base.SessionQueues`."""

    def __init__(self, broker: InProcessBroker, session: str, forget: Any) -> None:
        self._broker = broker
        self._results = names.result_queue(session)
        self._forget = forget
        # Bounded by the prefetch.
        self._inbox: queue.SimpleQueue[Delivery | None] = queue.SimpleQueue()
        self._error: BackendDown | None = None
        try:
            self._consumer = broker.consume(
                names.task_queue(session),
                self._on_delivery,
                on_deleted=lambda: self.fail(QueueGone("the session's audio queue was deleted")),
                prefetch=PREFETCH,
            )
        except QueueMissing:
            raise QueueGone("the session's audio queue does not exist") from None

    @property
    def connected(self) -> bool:
        return True

    def receive(self, timeout: float) -> Delivery | None:
        try:
            delivery = self._inbox.get(timeout=timeout)
        except queue.Empty:
            delivery = None
        if delivery is None and self._error is not None:
            raise self._error
        return delivery

    def ack(self, deliveries: Sequence[Delivery]) -> None:
        self._consumer.ack([d.tag for d in deliveries if isinstance(d.tag, int)])

    def publish(self, message: Message, *, confirm: bool) -> None:
        # A queue that is gone takes nothing, and says nothing: as the default exchange does.
        with contextlib.suppress(QueueMissing):
            self._broker.publish(self._results, message)

    def close(self) -> None:
        self._consumer.close()
        self._forget(self)

    def fail(self, error: BackendDown) -> None:
        """Make :meth:`receive` raise, once what has arrived is read; from any thread."""
        self._error = error
        self._inbox.put(None)

    def _on_delivery(self, chunk: Chunk, tag: int, redelivered: bool) -> None:
        self._inbox.put(Delivery(chunk, tag, redelivered))
