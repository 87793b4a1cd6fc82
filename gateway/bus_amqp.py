"""The session bus over RabbitMQ."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any, Final

import aiormq
from aiormq.abc import AbstractChannel, DeliveredMessage
from aiormq.exceptions import DeliveryError, PublishError
from pamqp.commands import Basic

from asr_tasks import log
from asr_tasks.contracts import names
from asr_tasks.contracts.audio import Chunk
from asr_tasks.contracts.errors import BackendDown
from asr_tasks.contracts.results import Message
from asr_tasks.transport import queues
from asr_tasks.transport.wire import headers_of
from gateway.amqp_link import Link, reraise_own_cancel
from gateway.backoff import delays
from gateway.bus import QueueGone, Sink

_PERSISTENT: Final = 2
_CALL_SECONDS: Final = 10.0
"""A declaration or deletion, all its tries together."""
_CONTENT_TYPE: Final = "audio/pcm"

_log = log.get(__name__)


class AmqpBus:
    """Implements :class:`gateway.bus.SessionBus`; aiormq, one connection to publish and one to
    consume.
    """

    def __init__(
        self,
        url: str,
        name: str,
        *,
        heartbeat: int = 10,
        publish_seconds: float = 60.0,
        queue_type: str = queues.CLASSIC,
    ) -> None:
        """Connect with :meth:`start`. One chunk waits ``publish_seconds`` for its confirmation,
        over however many connections, before BackendDown.
        """
        self._task_arguments = queues.task_arguments(queue_type)
        self._result_arguments = queues.result_arguments(queue_type)
        self._publish_seconds = publish_seconds
        self._sinks: dict[str, Sink] = {}
        self._tags: dict[str, str] = {}
        self._publishing = Link(url, f"{name} publish", heartbeat)
        self._consuming = Link(url, f"{name} consume", heartbeat, self._consume_all)
        self._control = Link(url, f"{name} control", heartbeat)

    async def start(self) -> None:
        self._publishing.start()
        self._consuming.start()
        self._control.start()

    def ready(self) -> bool:
        return self._publishing.connected() and self._consuming.connected()

    async def unblocked(self, seconds: float) -> bool:
        return await self._publishing.unblocked(seconds)

    async def declare(self, session: str) -> None:
        async def declare(channel: AbstractChannel) -> None:
            await self._declare(channel, names.task_queue(session), self._task_arguments)
            await self._declare(channel, names.result_queue(session), self._result_arguments)

        await self._call(declare)

    async def publish(self, session: str, chunk: Chunk) -> None:
        properties = Basic.Properties(
            content_type=_CONTENT_TYPE, delivery_mode=_PERSISTENT, headers=headers_of(chunk)
        )
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._publish_seconds
        waits = delays(0.02, 1.0)
        queue = names.task_queue(session)
        while True:
            channel = await self._publishing.channel(deadline - loop.time())
            try:
                await channel.basic_publish(
                    chunk.pcm,
                    routing_key=queue,
                    properties=properties,
                    mandatory=True,
                    timeout=max(deadline - loop.time(), 0.01),
                )
                return
            except PublishError as error:
                raise QueueGone(queue) from error
            except DeliveryError:
                # The queue is at its limit: its worker is slow or away. Waiting here stops the
                # reading of the client's socket.
                reason = "the session's queue is full"
            except TimeoutError:
                raise BackendDown("RabbitMQ does not confirm audio") from None
            except (aiormq.exceptions.AMQPError, ConnectionError, OSError, RuntimeError) as error:
                # Whether it was stored is unknown: send it again, the worker trims the copy.
                reason = str(error)
            except asyncio.CancelledError:
                reraise_own_cancel()
                reason = "the connection was closed"
            if loop.time() >= deadline:
                raise BackendDown(f"RabbitMQ does not take audio: {reason}")
            await asyncio.sleep(next(waits))

    async def consume(self, session: str, sink: Sink) -> None:
        self._sinks[session] = sink
        try:
            channel = await self._consuming.channel(_CALL_SECONDS)
            if session not in self._tags:  # a reconnect in between has begun it already
                await self._consume_one(channel, session)
        except (aiormq.exceptions.AMQPError, ConnectionError, OSError, TimeoutError) as error:
            # The link comes back by itself and then consumes for every sink.
            _log.warning("consuming begins later", session=session, reason=str(error))

    async def delete(self, session: str) -> None:
        await self._stop_consuming(session)

        async def delete(channel: AbstractChannel) -> None:
            await channel.queue_delete(names.task_queue(session))
            await channel.queue_delete(names.result_queue(session))

        await self._call(delete)

    async def leave(self, session: str, sink: Sink) -> None:
        if self._sinks.get(session) == sink:
            await self._stop_consuming(session)

    async def _stop_consuming(self, session: str) -> None:
        self._sinks.pop(session, None)
        tag = self._tags.pop(session, None)
        if tag is None or not self._consuming.connected():
            return
        try:
            channel = await self._consuming.channel(0.1)
            await channel.basic_cancel(tag, timeout=_CALL_SECONDS)
        except (aiormq.exceptions.AMQPError, ConnectionError, OSError, TimeoutError, BackendDown):
            _log.debug("a consumer went with its connection", session=session)

    async def close(self) -> None:
        await asyncio.gather(
            self._publishing.close(), self._consuming.close(), self._control.close()
        )

    async def _consume_all(self, channel: AbstractChannel) -> None:
        """A new connection: consume again for every session."""
        self._tags.clear()
        for session in list(self._sinks):
            # The queue may have gone with a broker that lost its disk: what it held is in Redis.
            await self._declare(channel, names.result_queue(session), self._result_arguments)
            await self._consume_one(channel, session)

    async def _consume_one(self, channel: AbstractChannel, session: str) -> None:
        reply = await channel.basic_consume(
            names.result_queue(session),
            partial(self._deliver, session),
            no_ack=True,
            timeout=_CALL_SECONDS,
        )
        self._tags[session] = str(reply.consumer_tag)

    async def _deliver(self, session: str, delivered: DeliveredMessage) -> None:
        sink = self._sinks.get(session)
        if sink is None:
            return
        try:
            sink(Message.from_bytes(bytes(delivered.body)))
        except (ValueError, KeyError, TypeError) as error:
            _log.error("a result cannot be read", session=session, reason=str(error))

    async def _call(self, act: Any) -> None:
        """Run a declaration or deletion, again on a new connection if one breaks."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _CALL_SECONDS
        waits = delays(0.02, 1.0)
        while True:
            channel = await self._control.channel(deadline - loop.time())
            try:
                async with asyncio.timeout_at(deadline):
                    await act(channel)
                return
            except (aiormq.exceptions.AMQPError, ConnectionError, OSError, RuntimeError) as error:
                reason = f"{type(error).__name__}: {error}"
            except TimeoutError:
                reason = "no answer"
            except asyncio.CancelledError:
                reraise_own_cancel()
                reason = "the connection was closed"
            if loop.time() >= deadline:
                raise BackendDown(f"RabbitMQ: {reason}")
            await asyncio.sleep(next(waits))

    @staticmethod
    async def _declare(channel: AbstractChannel, queue: str, arguments: dict[str, Any]) -> None:
        await channel.queue_declare(queue, durable=True, arguments=arguments, timeout=_CALL_SECONDS)
