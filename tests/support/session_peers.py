"""The gateway's side of a session's queues, as little of it as a test needs."""

from __future__ import annotations

from typing import Protocol

import amqp

from asr_tasks.contracts import names
from asr_tasks.contracts.audio import Chunk
from asr_tasks.contracts.results import Message
from asr_tasks.transport import queues
from asr_tasks.transport.amqp_connection import Connection
from asr_tasks.transport.amqp_connection import connect as connect_amqp
from asr_tasks.transport.memory_broker import broker_for
from asr_tasks.transport.wire import headers_of


class Peer(Protocol):
    url: str

    def declare(self, session: str) -> None: ...
    def put(self, session: str, *chunks: Chunk) -> None: ...
    def results(self, session: str) -> list[Message]: ...
    def delete_audio(self, session: str) -> None: ...
    def exists(self, session: str) -> bool: ...
    def close(self) -> None: ...


class RabbitPeer:
    def __init__(self, url: str, queue_type: str = queues.CLASSIC) -> None:
        self.url = url
        self._queue_type = queue_type
        self._connection: Connection = connect_amqp(url, "test peer", 0)
        self._channel = self._connection.open_channel()
        self._channel.confirm_select()
        self._seen: dict[str, list[Message]] = {}

    def declare(self, session: str) -> None:
        for name, arguments in (
            (names.task_queue(session), queues.task_arguments(self._queue_type)),
            (names.result_queue(session), queues.result_arguments(self._queue_type)),
        ):
            self._channel.queue_declare(name, durable=True, auto_delete=False, arguments=arguments)

    def put(self, session: str, *chunks: Chunk) -> None:
        for chunk in chunks:
            message = amqp.Message(
                chunk.pcm, application_headers=headers_of(chunk), delivery_mode=2
            )
            self._channel.basic_publish_confirm(
                message, routing_key=names.task_queue(session), timeout=5
            )

    def send(self, session: str, chunk: Chunk) -> None:
        """Without waiting for the confirmation."""
        message = amqp.Message(chunk.pcm, application_headers=headers_of(chunk), delivery_mode=2)
        self._channel.basic_publish(message, routing_key=names.task_queue(session))

    def results(self, session: str) -> list[Message]:
        seen = self._seen.setdefault(session, [])
        while message := self._channel.basic_get(names.result_queue(session), no_ack=True):
            seen.append(Message.from_bytes(bytes(message.body)))
        return list(seen)

    def delete_audio(self, session: str) -> None:
        self._channel.queue_delete(names.task_queue(session))

    def exists(self, session: str) -> bool:
        channel = self._connection.open_channel()
        try:
            channel.queue_declare(names.task_queue(session), passive=True)
        except amqp.RecoverableConnectionError:
            assert isinstance(channel.error, amqp.NotFound)
            return False
        channel.close()
        return True

    def close(self) -> None:
        self._connection.close()


class MemoryPeer:
    def __init__(self, url: str) -> None:
        self.url = url
        self._broker = broker_for(url)
        self._seen: dict[str, list[Message]] = {}

    def declare(self, session: str) -> None:
        self._broker.declare(names.task_queue(session), queues.task_arguments())
        self._broker.declare(names.result_queue(session), queues.result_arguments())
        seen = self._seen.setdefault(session, [])
        self._broker.consume(
            names.result_queue(session), lambda m, _tag, _again: seen.append(m), no_ack=True
        )

    def put(self, session: str, *chunks: Chunk) -> None:
        for chunk in chunks:
            self._broker.publish(names.task_queue(session), chunk, len(chunk.pcm))

    def results(self, session: str) -> list[Message]:
        return list(self._seen[session])

    def delete_audio(self, session: str) -> None:
        self._broker.delete(names.task_queue(session))

    def exists(self, session: str) -> bool:
        return names.task_queue(session) in self._broker.names()

    def close(self) -> None:
        return
