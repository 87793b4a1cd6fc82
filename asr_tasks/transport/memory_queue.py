"""One queue of the in-process broker, and its consumers."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import count
from threading import RLock
from typing import Any


class QueueMissing(LookupError):
    """There is no queue of that name."""


class QueueFull(Exception):
    """The queue is at its limit and refuses more."""


@dataclass(slots=True)
class Item:
    """A message and how often it was delivered."""

    payload: Any
    size: int
    serial: int
    deliveries: int = 0


OnDelivery = Callable[[Any, int, bool], None]
"""``callback(payload, tag, redelivered)``: called in the publisher's or the acknowledger's
thread, under the queue's lock. It must only hand over (to a queue, to an event loop)."""


@dataclass(eq=False, slots=True)
class Consumer:
    """Who reads a queue. Only the eldest of a queue's consumers gets anything.

    Attributes:
        prefetch: unacknowledged messages at most; 0 for no limit.
        no_ack: deliveries count as acknowledged.
    """

    queue: MemoryQueue
    on_delivery: OnDelivery
    on_deleted: Callable[[], None]
    prefetch: int
    no_ack: bool
    held: dict[int, Item] = field(default_factory=dict)

    def ack(self, tags: Iterable[int]) -> None:
        """Forget these deliveries; unknown tags are ignored."""
        self.queue.ack(self, tags)

    def close(self) -> None:
        """Leave; what was not acknowledged goes back in its old place."""
        self.queue.leave(self)


class MemoryQueue:
    """Thread-safe FIFO with a single active consumer.

    Args:
        max_bytes: a message beyond this is refused (QueueFull).
        max_messages: beyond this the oldest waiting message is dropped.
    """

    def __init__(self, max_bytes: int | None, max_messages: int | None) -> None:
        self._lock = RLock()
        self._ready: deque[Item] = deque()
        self._consumers: list[Consumer] = []
        self._bytes = 0
        self._max_bytes = max_bytes
        self._max_messages = max_messages
        self._serials = count()
        self._tags = count(1)
        self._deleted = False

    def __len__(self) -> int:
        """Messages that wait or are held."""
        with self._lock:
            return len(self._ready) + sum(len(c.held) for c in self._consumers)

    def put(self, payload: Any, size: int) -> None:
        """Append, and deliver if somebody can take it.

        Raises:
            QueueFull: it would exceed ``max_bytes``.
            QueueMissing: the queue was deleted meanwhile.
        """
        with self._lock:
            if self._deleted:
                raise QueueMissing
            if self._max_bytes is not None and self._bytes + size > self._max_bytes:
                raise QueueFull
            self._bytes += size
            self._ready.append(Item(payload, size, next(self._serials)))
            self._deliver()
            while self._max_messages is not None and len(self._ready) > self._max_messages:
                self._bytes -= self._ready.popleft().size

    def enter(self, consumer: Consumer) -> None:
        """Add a consumer, behind those that are there.

        Raises:
            QueueMissing: the queue was deleted meanwhile.
        """
        with self._lock:
            if self._deleted:
                raise QueueMissing
            self._consumers.append(consumer)
            self._deliver()

    def leave(self, consumer: Consumer) -> None:
        """Take a consumer away; harmless if it has left."""
        with self._lock:
            if consumer not in self._consumers:
                return
            self._consumers.remove(consumer)
            held = sorted(consumer.held.values(), key=lambda item: item.serial)
            consumer.held.clear()
            self._ready.extendleft(reversed(held))
            self._deliver()

    def ack(self, consumer: Consumer, tags: Iterable[int]) -> None:
        """Forget deliveries of a consumer."""
        with self._lock:
            for tag in tags:
                item = consumer.held.pop(tag, None)
                if item is not None:
                    self._bytes -= item.size
            self._deliver()

    def delete(self) -> None:
        """Drop everything and tell the consumers."""
        with self._lock:
            self._deleted = True
            gone, self._consumers = self._consumers, []
            self._ready.clear()
            for consumer in gone:
                consumer.held.clear()
                consumer.on_deleted()

    def _deliver(self) -> None:
        if not self._consumers:
            return
        active = self._consumers[0]
        while self._ready and (not active.prefetch or len(active.held) < active.prefetch):
            item = self._ready.popleft()
            item.deliveries += 1
            tag = next(self._tags)
            if active.no_ack:
                self._bytes -= item.size
            else:
                active.held[tag] = item
            active.on_delivery(item.payload, tag, item.deliveries > 1)
