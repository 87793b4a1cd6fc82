"""All streams' consumers, on one connection that one thread owns."""

from __future__ import annotations

import time

import amqp

from asr_tasks import log
from asr_tasks.contracts import names
from asr_tasks.contracts.errors import BackendDown
from asr_tasks.transport.amqp_connection import Connection
from asr_tasks.transport.subscription import Subscription, gone

_log = log.get("asr.transport")

GONE_SECONDS = 5.0
"""How long a queue may be missing after a reconnect: a node of a cluster that comes back knows
its queues a little later than it answers."""


class Consumers:
    """Implements :class:`asr_tasks.transport.io_thread.Owner`; runs in the I/O thread only."""

    def __init__(self) -> None:
        self._connection: Connection | None = None
        self._subscriptions: set[Subscription] = set()
        self._since = 0.0

    def up(self, connection: Connection) -> None:
        self._connection = connection
        self._since = time.monotonic()
        for subscription in list(self._subscriptions):
            self._begin(subscription, connection)

    def down(self) -> None:
        self._connection = None
        for subscription in self._subscriptions:
            subscription.lose()

    def tick(self) -> None:
        assert self._connection is not None
        for subscription in list(self._subscriptions):
            if not subscription.consuming:
                self._begin(subscription, self._connection)

    def add(self, subscription: Subscription) -> None:
        """Consume for a new stream, now or when the broker is there."""
        self._subscriptions.add(subscription)
        if self._connection is not None:
            self._begin(subscription, self._connection)

    def remove(self, subscription: Subscription) -> None:
        """Stop consuming for a stream."""
        self._subscriptions.discard(subscription)
        subscription.end()

    def delete(self, session: str) -> None:
        """Delete both queues.

        Raises:
            BackendDown: not connected.
        """
        if self._connection is None:
            raise BackendDown("RabbitMQ is not connected")
        channel = self._connection.open_channel()
        channel.queue_delete(names.task_queue(session))
        channel.queue_delete(names.result_queue(session))
        channel.close()

    def fail_all(self, error: BackendDown) -> None:
        """Tell every stream that it is over."""
        for subscription in self._subscriptions:
            subscription.fail(error)
        self._subscriptions.clear()

    def _begin(self, subscription: Subscription, connection: Connection) -> None:
        try:
            subscription.begin(connection)
        except amqp.NotFound:
            # Never there, or deleted while we consumed: gone. Missing since a reconnect: wait.
            returning = subscription.connection not in (None, connection)
            if not returning or time.monotonic() - self._since > GONE_SECONDS:
                self._subscriptions.discard(subscription)
                subscription.fail(gone(subscription.session))
        except amqp.ChannelError as error:
            # This stream's own trouble (e.g. a right it lacks): the next tick tries again.
            _log.warning("cannot consume", session=subscription.session, error=str(error))


__all__ = ["GONE_SECONDS", "Consumers"]
