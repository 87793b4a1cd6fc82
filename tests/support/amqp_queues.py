"""A worker's side of a session's queues on RabbitMQ, for the fake worker."""

from __future__ import annotations

import asyncio

import aiormq
from aiormq.abc import AbstractConnection, DeliveredMessage

from asr_tasks.contracts import names
from asr_tasks.contracts.audio import Chunk
from asr_tasks.contracts.results import Message
from asr_tasks.transport.wire import chunk_from


class AmqpQueues:
    """One connection per session."""

    def __init__(self, connection: AbstractConnection, channel: object, session: str) -> None:
        self._connection = connection
        self._channel = channel
        self._session = session
        self._chunks: asyncio.Queue[Chunk] = asyncio.Queue()
        self._tags: list[tuple[int, int]] = []

    @classmethod
    async def open(cls, url: str, session: str) -> AmqpQueues:
        connection = await aiormq.connect(url)
        channel = await connection.channel()
        queues = cls(connection, channel, session)
        await channel.basic_qos(prefetch_count=256)
        await channel.basic_consume(names.task_queue(session), queues._deliver)
        return queues

    async def receive(self) -> Chunk:
        return await self._chunks.get()

    async def publish(self, message: Message) -> None:
        await self._channel.basic_publish(
            message.to_bytes(), routing_key=names.result_queue(self._session)
        )

    async def ack_until(self, position: int) -> None:
        due = [tag for end, tag in self._tags if end <= position]
        self._tags = [(end, tag) for end, tag in self._tags if end > position]
        for tag in due:
            await self._channel.basic_ack(tag)

    async def close(self) -> None:
        await self._connection.close()

    async def _deliver(self, message: DeliveredMessage) -> None:
        headers = message.header.properties.headers or {}
        chunk = chunk_from(headers, bytes(message.body))
        self._tags.append((chunk.end, message.delivery.delivery_tag))
        self._chunks.put_nowait(chunk)


async def queue_exists(url: str, queue: str) -> bool:
    """Whether the broker has the queue."""
    async with aiormq.connect(url) as connection:
        channel = await connection.channel()
        try:
            await channel.queue_declare(queue, passive=True)
        except aiormq.exceptions.ChannelNotFoundEntity:
            return False
    return True
