"""A worker's session queues on RabbitMQ.

Two connections a worker, each owned by one thread: one consumes, with a channel per stream; the
other publishes. Stream threads block on a queue of their own and post everything else (begin,
acknowledge, publish, end) to those threads.

The other layout, a connection and a thread per stream, was measured in a prototype before this
was written: at 100 streams it had the worst tail (p99 221 ms against 46 ms), and it costs the
broker a socket, a heartbeat and several processes per call. This one, on two shared cores that
were busy with other work (load 7), from publish to a stream's thread: p50 1.1, 1.0, 0.5 ms and
p99 11, 9, 35 ms at 1, 10, 50 streams; 390-750 us of CPU per chunk with its partial
(`python -m tests.bench.transport` repeats it).
"""

from __future__ import annotations

import queue
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import TypeVar

from asr_tasks.contracts import names
from asr_tasks.contracts.errors import BackendDown
from asr_tasks.contracts.results import Message
from asr_tasks.transport.base import Delivery
from asr_tasks.transport.consumers import Consumers
from asr_tasks.transport.io_thread import IoThread
from asr_tasks.transport.metrics import DROPPED
from asr_tasks.transport.publisher import MAX_PARTIALS, Confirmation, Publisher
from asr_tasks.transport.subscription import Subscription

T = TypeVar("T")

HEARTBEAT_SECONDS = 1
"""Of the connection that reads audio. Only one consumer at a time reads a session's queue, and
RabbitMQ holds on to one that hangs (SIGSTOP, a frozen machine) for two to three of these: so long
does a successor wait for audio. Measured 2.0-2.9 s; with 2 s, 5.1-5.9 s. A false alarm costs a new
connection and some audio delivered twice, which its position drops."""

PUBLISHING_HEARTBEAT_SECONDS = 10
"""Nobody waits for this connection to be found dead."""

OPEN_SECONDS = 10.0
"""How long opening a stream, or deleting its queues, waits for a broker that is away."""

CONFIRM_SECONDS = 10.0
"""How long a final waits for its confirmation, over however many connections. Longer than a
broker takes to start again; the final is in Redis in any case."""

CLOSE_SECONDS = 2.0
"""How long a stream that ends waits until its consumer is cancelled."""


class AmqpTransport:
    """Implements :class:`asr_tasks.transport.base.Transport`.

    Args:
        url: AMQP URL(s) of RabbitMQ.
        name: of the worker, for the broker's list of connections.
        heartbeat: AMQP heartbeat of the consuming connection, seconds.

    The connections are made in the background; :meth:`ready` says whether they are there.
    """

    def __init__(self, url: str, name: str = "", *, heartbeat: int = HEARTBEAT_SECONDS) -> None:
        self._consumers = Consumers()
        self._publisher = Publisher()
        self._pending_partials = 0
        self._closed = False
        self._consuming = IoThread(url, "consume", self._consumers, label=name, heartbeat=heartbeat)
        self._publishing = IoThread(
            url, "publish", self._publisher, label=name, heartbeat=PUBLISHING_HEARTBEAT_SECONDS
        )
        self._consuming.start()
        self._publishing.start()

    def ready(self) -> bool:
        return self._consuming.connected and self._publishing.connected

    def open(self, session: str) -> AmqpQueues:
        subscription = Subscription(session)
        self._check_open()
        self._consuming.post(lambda: self._consumers.add(subscription))
        if not subscription.opened.wait(OPEN_SECONDS):
            self._consuming.post(lambda: self._consumers.remove(subscription))
            raise BackendDown("RabbitMQ does not answer")
        if subscription.error is not None:
            raise subscription.error
        return AmqpQueues(self, subscription)

    def delete(self, session: str) -> None:
        deadline = time.monotonic() + OPEN_SECONDS
        while True:
            self._check_open()
            try:
                return self._call(lambda: self._consumers.delete(session), deadline)
            except BackendDown:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        error = BackendDown("the transport is closed")
        self._publishing.post(lambda: self._publisher.fail_all(error))
        self._consuming.post(lambda: self._consumers.fail_all(error))
        self._publishing.close()
        self._consuming.close()

    def send_partial(self, session: str, body: bytes) -> None:
        """Hand a partial to the publishing thread, unless it has too many already."""
        if not self._publisher.flowing or self._pending_partials >= MAX_PARTIALS:
            DROPPED.inc()
            return
        # Both sides change the number under the interpreter's lock only; being off by a few
        # does no harm to a bound.
        self._pending_partials += 1
        target = names.result_queue(session)

        def send() -> None:
            self._pending_partials = max(0, self._pending_partials - 1)
            self._publisher.send(target, body)

        self._publishing.post(send)

    def send_final(self, session: str, body: bytes) -> None:
        """Publish, and wait until the broker has it.

        Raises:
            BackendDown: it has not confirmed after CONFIRM_SECONDS.
        """
        self._check_open()
        confirmation = Confirmation(names.result_queue(session), body)
        self._publishing.post(lambda: self._publisher.send_confirmed(confirmation))
        try:
            confirmation.result(CONFIRM_SECONDS)
        except FutureTimeoutError:
            confirmation.cancel()
            raise BackendDown("RabbitMQ does not confirm results") from None

    def ack(self, subscription: Subscription, deliveries: Sequence[Delivery]) -> None:
        """Acknowledge soon."""
        held = tuple(deliveries)
        self._consuming.post(lambda: subscription.ack(held))

    def end(self, subscription: Subscription) -> None:
        """Cancel the consumer; a broker that is away has forgotten it anyway."""
        if self._closed:
            return
        done: Future[None] = Future()

        def end() -> None:
            try:
                self._consumers.remove(subscription)
            finally:
                done.set_result(None)

        self._consuming.post(end)
        try:
            done.result(CLOSE_SECONDS)
        except FutureTimeoutError:
            return  # it runs as soon as the thread is free; nothing depends on it

    def _call(self, function: Callable[[], T], deadline: float) -> T:
        """Run ``function`` in the consuming thread and give its result or error."""
        future: Future[T] = Future()

        def run() -> None:
            try:
                future.set_result(function())
            except BackendDown as error:
                future.set_exception(error)
            except Exception as error:
                future.set_exception(BackendDown(f"RabbitMQ: {error}"))
                raise

        self._consuming.post(run)
        try:
            return future.result(max(0.0, deadline - time.monotonic()) + CLOSE_SECONDS)
        except FutureTimeoutError:
            raise BackendDown("RabbitMQ does not answer") from None

    def _check_open(self) -> None:
        if self._closed:
            raise BackendDown("the transport is closed")


class AmqpQueues:
    """Implements :class:`asr_tasks.transport.base.SessionQueues`."""

    def __init__(self, transport: AmqpTransport, subscription: Subscription) -> None:
        self._transport = transport
        self._subscription = subscription

    @property
    def connected(self) -> bool:
        return self._subscription.consuming

    def receive(self, timeout: float) -> Delivery | None:
        try:
            delivery = self._subscription.inbox.get(timeout=timeout)
        except queue.Empty:
            delivery = None
        if delivery is None and self._subscription.error is not None:
            raise self._subscription.error
        return delivery

    def ack(self, deliveries: Sequence[Delivery]) -> None:
        if deliveries:
            self._transport.ack(self._subscription, deliveries)

    def publish(self, message: Message, *, confirm: bool) -> None:
        send = self._transport.send_final if confirm else self._transport.send_partial
        send(self._subscription.session, message.to_bytes())

    def close(self) -> None:
        self._transport.end(self._subscription)
