"""One stream's consumer, as the consuming thread keeps it."""

from __future__ import annotations

import contextlib
import queue
from collections.abc import Sequence
from dataclasses import dataclass
from threading import Event
from typing import Any

import amqp

from asr_tasks import log
from asr_tasks.contracts import names
from asr_tasks.contracts.errors import BackendDown
from asr_tasks.transport.amqp_connection import Connection, StrictChannel, explain
from asr_tasks.transport.base import Delivery, QueueGone
from asr_tasks.transport.metrics import UNREADABLE
from asr_tasks.transport.wire import chunk_from

_log = log.get("asr.transport")

PREFETCH = 256
"""Unacknowledged chunks at most: 25 s of audio in chunks of 100 ms. Must exceed what lies between
two checkpoints (4 s), or a stream would wait for the commit that its own reading brings about."""


@dataclass(frozen=True, slots=True)
class Tag:
    """A delivery's tag, good only on the channel that delivered it."""

    channel: StrictChannel
    number: int


class Subscription:
    """Everything but the constructor, ``inbox``, ``opened`` and ``error`` belongs to the thread
    that owns the connection.

    Attributes:
        inbox: what was delivered and not received yet; at most PREFETCH long, because nobody
            acknowledges what was not received. None in it means: look at ``error``.
        opened: set once consuming began, or failed.
        error: why there will be no more.
        consuming: whether deliveries can come now; if not, the owner begins anew.
        connection: the one it consumed on last.
    """

    def __init__(self, session: str) -> None:
        self.session = session
        self.inbox: queue.SimpleQueue[Delivery | None] = queue.SimpleQueue()
        self.opened = Event()
        self.error: BackendDown | None = None
        self.consuming = False
        self.connection: Connection | None = None
        self._channel: StrictChannel | None = None
        self._consumer = ""
        self._unacked: dict[int, None] = {}

    def begin(self, connection: Connection) -> None:
        """Consume on a new channel; what the old one delivered is forgotten.

        Raises:
            amqp.NotFound: the queue does not exist.
            amqp.AMQPError, OSError: the channel or the connection failed.
        """
        self.lose()
        channel = connection.open_channel()
        self._channel = channel
        try:
            channel.basic_qos(0, PREFETCH, False)
            self._consumer = channel.basic_consume(
                names.task_queue(self.session), callback=self._deliver, on_cancel=self._cancelled
            )
        except (amqp.AMQPError, OSError) as error:
            self._channel = None
            raise explain(channel, error) from error
        # The broker may close the channel at any time, e.g. for an acknowledgement it does not
        # know; the owner then sees that it does not consume and begins anew.
        channel.on_error = self._broken
        self.consuming = True
        self.connection = connection
        self.opened.set()

    def lose(self) -> None:
        """The channel is gone, or to be given up; what it delivered will be delivered again."""
        channel, self._channel = self._channel, None
        self.consuming = False
        self._unacked.clear()
        if channel is not None and channel.is_open:
            with contextlib.suppress(amqp.AMQPError, OSError):
                channel.close()
        with contextlib.suppress(queue.Empty):
            while True:
                self.inbox.get_nowait()

    def ack(self, deliveries: Sequence[Delivery]) -> None:
        """Acknowledge, with one frame where they are the oldest that are unacknowledged."""
        channel = self._channel
        if channel is None:
            return
        numbers = {
            delivery.tag.number
            for delivery in deliveries
            if isinstance(delivery.tag, Tag) and delivery.tag.channel is channel
        }
        numbers &= self._unacked.keys()
        oldest: list[int] = []
        for number in self._unacked:
            if number not in numbers:
                break
            oldest.append(number)
        if oldest:
            channel.basic_ack(oldest[-1], multiple=True)
        for number in sorted(numbers.difference(oldest)):
            channel.basic_ack(number)
        for number in numbers:
            del self._unacked[number]

    def end(self) -> None:
        """Stop consuming; the broker gives the unacknowledged ones to the next consumer."""
        channel = self._channel
        if channel is not None and self.consuming:
            channel.on_error = None
            # Cancelling first keeps deliveries from arriving at a channel that is closing.
            channel.basic_cancel(self._consumer)
        self.lose()

    def fail(self, error: BackendDown) -> None:
        """Tell the stream that nothing more will come."""
        self.error = error
        self.opened.set()
        self.inbox.put(None)

    def _deliver(self, message: Any) -> None:
        number = message.delivery_info["delivery_tag"]
        channel = message.channel
        headers = message.properties.get("application_headers") or {}
        try:
            chunk = chunk_from(headers, message.body or b"")
        except (ValueError, TypeError) as error:
            # Nobody could ever read it; left alone it would come again for ever.
            UNREADABLE.inc()
            _log.error("not audio", session=self.session, error=str(error))
            channel.basic_ack(number)
            return
        self._unacked[number] = None
        redelivered = bool(message.delivery_info["redelivered"])
        self.inbox.put(Delivery(chunk, Tag(channel, number), redelivered))

    def _cancelled(self, consumer: str) -> None:
        # The queue was deleted, or its node left: beginning anew tells which.
        _log.info("consumer cancelled", session=self.session, consumer=consumer)
        self.consuming = False

    def _broken(self, error: Exception) -> None:
        _log.warning("channel closed by the broker", session=self.session, error=str(error))
        self.consuming = False
        self._channel = None


def gone(session: str) -> QueueGone:
    """The error of a stream whose queue was deleted."""
    return QueueGone(f"the audio queue of session {session} does not exist")
