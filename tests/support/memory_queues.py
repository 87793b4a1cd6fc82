"""A worker's side of a session's queues in this process, for the fake worker."""

from __future__ import annotations

import asyncio

from asr_tasks.contracts import names
from asr_tasks.contracts.audio import Chunk
from asr_tasks.contracts.results import Message
from asr_tasks.transport.inprocess import InProcessBroker, QueueMissing


class MemoryQueues:
    """One per session."""

    def __init__(self, broker: InProcessBroker, session: str) -> None:
        self._broker, self._session = broker, session
        self._chunks: asyncio.Queue[Chunk] = asyncio.Queue()
        self._tags: list[tuple[int, int]] = []
        self._consumer = broker.consume(
            names.task_queue(session), self._deliver, on_deleted=lambda: None, prefetch=256
        )

    @classmethod
    async def open(cls, broker: InProcessBroker, session: str) -> MemoryQueues:
        return cls(broker, session)

    async def receive(self) -> Chunk:
        return await self._chunks.get()

    async def publish(self, message: Message) -> None:
        try:
            self._broker.publish(names.result_queue(self._session), message)
        except QueueMissing:
            return

    async def ack_until(self, position: int) -> None:
        self._consumer.ack([tag for end, tag in self._tags if end <= position])
        self._tags = [(end, tag) for end, tag in self._tags if end > position]

    async def close(self) -> None:
        self._consumer.close()

    def _deliver(self, chunk: Chunk, tag: int, again: bool) -> None:
        self._tags.append((chunk.end, tag))
        self._chunks.put_nowait(chunk)
