"""The session bus within one process, for the embedded default and for tests."""

from __future__ import annotations

import asyncio
from typing import Any

from asr_tasks.contracts import names
from asr_tasks.contracts.audio import Chunk
from asr_tasks.contracts.errors import BackendDown
from asr_tasks.contracts.results import Message
from asr_tasks.transport import queues
from asr_tasks.transport.inprocess import InProcessBroker, QueueFull, QueueMissing, broker_for
from gateway.backoff import delays
from gateway.bus import QueueGone, Sink


class InProcessBus:
    """Implements :class:`gateway.bus.SessionBus`; the workers are threads of this process."""

    def __init__(self, broker: InProcessBroker, *, publish_seconds: float = 60.0) -> None:
        self._broker = broker
        self._publish_seconds = publish_seconds
        self._consumers: dict[str, tuple[Sink, Any]] = {}
        self._closed = False

    @classmethod
    def connect(cls, url: str, *, publish_seconds: float = 60.0) -> InProcessBus:
        """The bus on this process's broker of a ``memory://`` URL."""
        return cls(broker_for(url), publish_seconds=publish_seconds)

    async def start(self) -> None:
        """Nothing: it is there."""

    def ready(self) -> bool:
        return not self._closed

    async def unblocked(self, seconds: float) -> bool:
        return True

    async def declare(self, session: str) -> None:
        self._broker.declare(names.task_queue(session), queues.task_arguments())
        self._broker.declare(names.result_queue(session), queues.result_arguments())

    async def publish(self, session: str, chunk: Chunk) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._publish_seconds
        for delay in delays(0.02, 0.5):
            if self._closed:
                raise BackendDown("the gateway is closing")
            try:
                self._broker.publish(names.task_queue(session), chunk, len(chunk.pcm))
            except QueueMissing as error:
                raise QueueGone(session) from error
            except QueueFull:
                if loop.time() > deadline:
                    raise BackendDown("the session's queue stays full") from None
                await asyncio.sleep(delay)
            else:
                return

    async def consume(self, session: str, sink: Sink) -> None:
        self._stop(session)
        loop = asyncio.get_running_loop()

        def hand_over(message: Message, _tag: int, _again: bool) -> None:
            # Called in a worker's thread; the loop may have ended while that one still spoke.
            if not loop.is_closed():
                loop.call_soon_threadsafe(sink, message)

        consumer = self._broker.consume(names.result_queue(session), hand_over, no_ack=True)
        self._consumers[session] = (sink, consumer)

    async def leave(self, session: str, sink: Sink) -> None:
        if session in self._consumers and self._consumers[session][0] == sink:
            self._stop(session)

    async def delete(self, session: str) -> None:
        self._stop(session)
        self._broker.delete(names.task_queue(session))
        self._broker.delete(names.result_queue(session))

    async def close(self) -> None:
        self._closed = True
        for session in list(self._consumers):
            self._stop(session)

    def _stop(self, session: str) -> None:
        if session in self._consumers:
            self._consumers.pop(session)[1].close()
