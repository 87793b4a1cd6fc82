"""All streams' results, on one connection that one thread owns and that consumes nothing.

Publishing on a connection that consumes would handle incoming deliveries inside the publish
(py-amqp looks for `connection.blocked` first), one inside the other: on a replayed backlog
results came out in exactly reversed order, or the recursion ended the worker.

Partials go over a plain channel, finals over a confirming one. RabbitMQ keeps the order of one
channel only, so a partial may come after the final it led to; it then carries an index that is
over, and the gateway drops it.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from concurrent.futures import Future

import amqp

from asr_tasks.transport.amqp_connection import Connection, StrictChannel
from asr_tasks.transport.metrics import DROPPED

_TRANSIENT = 1
_PERSISTENT = 2

MAX_PARTIALS = 1000
"""Partials handed over and not sent yet, of all streams; further ones are dropped."""


class Confirmation(Future[None]):
    """A message on its way into the broker; done when it is stored there.

    Cancelling it keeps it from being sent again after a reconnect.
    """

    def __init__(self, queue: str, body: bytes) -> None:
        super().__init__()
        self.queue = queue
        self.body = body


class Publisher:
    """Implements :class:`asr_tasks.transport.io_thread.Owner`; runs in the I/O thread only."""

    def __init__(self) -> None:
        self._plain: StrictChannel | None = None
        self._confirming: StrictChannel | None = None
        self._blocked = False
        self._next = 1
        self._sent: OrderedDict[int, Confirmation] = OrderedDict()
        self._waiting: deque[Confirmation] = deque()

    @property
    def flowing(self) -> bool:
        """Whether a partial sent now would go out; may be read from any thread."""
        return self._plain is not None and not self._blocked

    def up(self, connection: Connection) -> None:
        self._blocked = False
        connection.on_blocked = self._on_blocked
        connection.on_unblocked = self._on_unblocked
        confirming = connection.open_channel()
        confirming.confirm_select()
        confirming.events["basic_ack"].add(self._on_ack)
        confirming.events["basic_nack"].add(self._on_nack)
        self._next = 1
        self._confirming = confirming
        self._plain = connection.open_channel()
        self._flush()

    def down(self) -> None:
        self._plain = self._confirming = None
        # Whether the broker stored them is unknown: they are sent again, before newer ones.
        # A final that comes twice has one index, and the gateway drops the second.
        self._waiting.extendleft(reversed(self._sent.values()))
        self._sent.clear()

    def tick(self) -> None:
        # A channel that the broker closed takes the connection with it: none of ours does
        # anything that could be refused, so its state is not to be trusted.
        for channel in (self._plain, self._confirming):
            if channel is not None and channel.error is not None:
                raise amqp.RecoverableConnectionError(str(channel.error))
        self._flush()

    def send(self, queue: str, body: bytes) -> None:
        """Send a partial, or drop it when the broker takes none now."""
        if self._plain is None or self._blocked:
            DROPPED.inc()
            return
        self._plain.basic_publish(_message(body, _TRANSIENT), routing_key=queue)

    def send_confirmed(self, confirmation: Confirmation) -> None:
        """Send a final, now or when the broker takes it."""
        self._waiting.append(confirmation)
        self._flush()

    def fail_all(self, error: Exception) -> None:
        """End every confirmation that is still open."""
        for confirmation in (*self._sent.values(), *self._waiting):
            if not confirmation.done():
                confirmation.set_exception(error)
        self._sent.clear()
        self._waiting.clear()

    def _flush(self) -> None:
        while self._waiting and self._confirming is not None and not self._blocked:
            confirmation = self._waiting.popleft()
            if confirmation.done():
                continue  # given up by its stream
            number, self._next = self._next, self._next + 1
            # Noted before it is sent: the answer may be read inside the publish, and if the
            # connection breaks inside, it is among those that are sent again.
            self._sent[number] = confirmation
            self._confirming.basic_publish(
                _message(confirmation.body, _PERSISTENT), routing_key=confirmation.queue
            )

    def _on_ack(self, number: int, multiple: bool) -> None:
        for confirmation in self._answered(number, multiple):
            # Its stream may give it up at this very moment.
            if confirmation.set_running_or_notify_cancel():
                confirmation.set_result(None)

    def _on_nack(self, number: int, multiple: bool) -> None:
        # The broker could not store it; the next tick tries again, until the stream gives up.
        self._waiting.extend(self._answered(number, multiple))

    def _answered(self, number: int, multiple: bool) -> list[Confirmation]:
        if not multiple:
            confirmation = self._sent.pop(number, None)
            return [] if confirmation is None else [confirmation]
        answered = []
        while self._sent and next(iter(self._sent)) <= number:
            answered.append(self._sent.popitem(last=False)[1])
        return answered

    def _on_blocked(self, reason: str = "") -> None:
        self._blocked = True

    def _on_unblocked(self) -> None:
        self._blocked = False  # the next tick sends what waits


def _message(body: bytes, delivery_mode: int) -> amqp.Message:
    return amqp.Message(body, content_type="application/json", delivery_mode=delivery_mode)
