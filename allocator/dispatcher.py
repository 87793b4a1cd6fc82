"""Sends a session's task to the worker that was chosen, through that worker's own queue."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Protocol

from celery import Celery

from allocator.offer import Offer
from asr_tasks import log
from asr_tasks.contracts.names import HEADER_TRACE, STREAM_TASK, direct_queue
from asr_tasks.transport.direct import dispatch_queue
from asr_tasks.transport.queues import CLASSIC, QUORUM

_log = log.get("asr.dispatch")

UNCLAIMED_EXPIRES = 30.0
"""Seconds a dispatch lies in a worker's queue at most, on the broker's own clock. (Celery's
`expires` compares the wall clocks of two machines; here a stale dispatch costs nothing, because
the epoch refuses it.)"""

MAX_PENDING = 2000
"""Dispatches not yet sent; one more is dropped, and its session found unclaimed."""


class Dispatcher(Protocol):
    """Port. Called from the event loop; must not block it."""

    def send(self, offer: Offer) -> None:
        """Send it soon. A dispatch that fails is logged: the monitor finds the session unclaimed
        past its deadline and assigns it again.
        """
        ...

    def forget(self, worker: str) -> None:
        """Delete, if it can be done, the queue of a worker that will not come back."""
        ...

    async def ping(self) -> None:
        """Raise if the broker does not answer."""
        ...

    async def close(self) -> None:
        """Send what is pending, within a few seconds, and let go of the connections."""
        ...


def producer_app(broker_url: str, queue_type: str = CLASSIC) -> Celery:
    """A Celery app that only sends.

    It has no result backend: a sender with one would subscribe to each result on a connection
    that is not thread-safe, and `ignore_result=True` would keep the worker from storing the
    transcript as the task's result.
    """
    app = Celery("asr-dispatch", broker=broker_url, backend="disabled://", set_as_current=False)
    app.conf.update(
        broker_pool_limit=1,  # one thread sends
        broker_connection_timeout=2.0,
        # Nobody drains this connection between dispatches, so it could not answer heartbeats; one
        # that has died is found by the confirmation that does not come.
        broker_heartbeat=0,
        broker_transport_options={
            "confirm_publish": True,
            "read_timeout": 2.0,
            "write_timeout": 2.0,
        }
        if broker_url.startswith("amqp")
        else {"polling_interval": 0.005},
        task_serializer="json",
        accept_content=["json"],
        worker_direct=True,
        task_default_queue_type=queue_type,  # of queues it names and does not know
        task_create_missing_queue_type=queue_type,
    )
    return app


class CeleryDispatcher:
    """Sends with Celery, from one thread of its own, on that thread's own connection.

    ``queue_type`` is that of the workers' queues.
    """

    def __init__(self, app: Celery, queue_type: str = CLASSIC) -> None:
        self._app = app
        self._queue_type = queue_type
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="dispatch")
        self._pending = 0

    def send(self, offer: Offer) -> None:
        if self._pending >= MAX_PENDING:
            _log.error("dispatch dropped", session=offer.session, pending=self._pending)
            return
        self._pending += 1
        self._thread.submit(self._send, offer).add_done_callback(self._done(offer))

    def forget(self, worker: str) -> None:
        if self._queue_type != QUORUM:  # RabbitMQ refuses `if_unused` of those; they expire
            self._thread.submit(self._delete, worker)

    async def ping(self) -> None:
        await asyncio.to_thread(self._connect)

    async def close(self) -> None:
        # Bounded by the timeouts of the connection: what has not begun by then is dropped.
        loop = asyncio.get_running_loop()
        closed = loop.run_in_executor(None, self._thread.shutdown)
        try:
            await asyncio.wait_for(closed, 10.0)
        except TimeoutError:
            self._thread.shutdown(wait=False, cancel_futures=True)
        self._app.close()

    def _send(self, offer: Offer) -> None:
        self._app.send_task(
            offer.task or STREAM_TASK,
            task_id=offer.session,
            kwargs=arguments(offer),
            queue=dispatch_queue(offer.worker, self._queue_type),
            headers={HEADER_TRACE: offer.traceparent} if offer.traceparent else None,
            expiration=UNCLAIMED_EXPIRES,
            confirm_timeout=2.0,
            retry=True,
            retry_policy={
                "max_retries": 3,
                "interval_start": 0.05,
                "interval_step": 0.2,
                "interval_max": 0.5,
            },
        )

    def _connect(self) -> None:
        with self._app.connection_for_write() as connection:
            connection.connect()

    def _delete(self, worker: str) -> None:
        try:
            with self._app.connection_for_write() as connection:
                connection.default_channel.queue_delete(direct_queue(worker), if_unused=True)
        except Exception as error:  # best effort: the queue is small and its dispatches expire
            _log.warning("queue of a gone worker stays", worker=worker, error=str(error))

    def _done(self, offer: Offer) -> Any:
        def done(future: Future[None]) -> None:
            self._pending -= 1
            error = None if future.cancelled() else future.exception()
            if error is not None:
                _log.error(
                    "dispatch failed",
                    session=offer.session,
                    worker=offer.worker,
                    epoch=offer.epoch,
                    error=f"{type(error).__name__}: {error}",
                )
            else:
                _log.debug("dispatched", session=offer.session, worker=offer.worker)

        return done


def arguments(offer: Offer) -> dict[str, Any]:
    """The task's keyword arguments, in the order in which Flower is to show them."""
    return {
        "session": offer.session,
        "model": offer.model,
        "client": offer.client,
        "epoch": offer.epoch,
        "worker": offer.worker,
        "language": offer.language or None,
        **(offer.options or {}),
    }
