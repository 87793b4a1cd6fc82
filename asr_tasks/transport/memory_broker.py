"""Named in-memory queues, shared by everything in one process that says ``memory://``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from threading import Lock
from typing import Any
from urllib.parse import urlsplit

from asr_tasks.transport.memory_queue import (
    Consumer,
    MemoryQueue,
    OnDelivery,
    QueueFull,
    QueueMissing,
)

__all__ = ["InProcessBroker", "QueueFull", "QueueMissing", "broker_for"]


class InProcessBroker:
    """Any thread may call any method; none blocks for longer than a callback takes.

    From an asyncio loop::

        broker.consume(name, lambda message, tag, again:
                       loop.call_soon_threadsafe(sink, message), no_ack=True)
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._queues: dict[str, MemoryQueue] = {}

    def declare(self, name: str, arguments: Mapping[str, Any]) -> None:
        """Create a queue; harmless if it exists. ``arguments`` are those of
        :mod:`asr_tasks.transport.queues`; the bounds among them are kept.
        """
        with self._lock:
            if name not in self._queues:
                self._queues[name] = MemoryQueue(
                    arguments.get("x-max-length-bytes"), arguments.get("x-max-length")
                )

    def publish(self, name: str, payload: Any, size: int = 0) -> None:
        """Put an immutable object into a queue; when this returns it is stored.

        Args:
            name: of the queue.
            payload: handed to the consumer as it is.
            size: bytes it counts as.

        Raises:
            QueueMissing: no such queue.
            QueueFull: the queue is at its limit of bytes.
        """
        self._queue(name).put(payload, size)

    def consume(
        self,
        name: str,
        on_delivery: OnDelivery,
        *,
        on_deleted: Callable[[], None] = lambda: None,
        prefetch: int = 0,
        no_ack: bool = False,
    ) -> Consumer:
        """Begin to read a queue; the callbacks must only hand over.

        Raises:
            QueueMissing: no such queue.
        """
        queue = self._queue(name)
        consumer = Consumer(queue, on_delivery, on_deleted, prefetch, no_ack)
        queue.enter(consumer)
        return consumer

    def delete(self, name: str) -> None:
        """Remove a queue; its consumers are told. Harmless if there is none."""
        with self._lock:
            queue = self._queues.pop(name, None)
        if queue is not None:
            queue.delete()

    def names(self) -> list[str]:
        """The queues there are."""
        with self._lock:
            return sorted(self._queues)

    def length(self, name: str) -> int:
        """Messages of a queue that wait or are held.

        Raises:
            QueueMissing: no such queue.
        """
        return len(self._queue(name))

    def _queue(self, name: str) -> MemoryQueue:
        with self._lock:
            queue = self._queues.get(name)
        if queue is None:
            raise QueueMissing(name)
        return queue


_brokers: dict[str, InProcessBroker] = {}
_brokers_lock = Lock()


def broker_for(url: str) -> InProcessBroker:
    """This process's broker of a ``memory://NAME`` URL; the same name, the same broker."""
    with _brokers_lock:
        return _brokers.setdefault(urlsplit(url).netloc, InProcessBroker())
