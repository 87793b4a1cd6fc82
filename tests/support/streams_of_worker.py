"""Drives a worker through a real allocator, with the gateway's part played by the test."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import grpc
import redis

from asr_tasks.contracts import names
from asr_tasks.contracts.audio import Chunk
from asr_tasks.contracts.results import Message
from asr_tasks.rpc import worker_manager_pb2 as pb
from asr_tasks.rpc.worker_manager_pb2_grpc import WorkerManagerServiceStub
from tests.support.session_peers import Peer

SAMPLES = 1600

CATALOGUE = """
[models.echo]
description = "answers without a model"
kind = "echo"
slots = 4
final_every = 0.5
"""


class Driver:
    """Opens sessions and plays their audio; keeps what came back."""

    def __init__(self, peer: Peer, redis_url: str, allocator: str) -> None:
        self.peer = peer
        self.redis = redis.Redis.from_url(redis_url, decode_responses=True)
        self._channel = grpc.insecure_channel(allocator)
        self.allocator = WorkerManagerServiceStub(self._channel)

    def open(self, model: str = "echo", **fields: str) -> str:
        session = names.new_session_id()
        self.peer.declare(session)
        self.redis.hset(
            names.session_key(session),
            mapping={
                "state": "waiting",
                "epoch": 0,
                "model": model,
                "client": "test",
                "priority": 0,
                "committed": 0,
                "segments": 0,
                "gateway_epoch": 1,
                **fields,
            },
        )
        self.redis.sadd(names.SESSIONS_KEY, session)
        answer = self.allocator.AllocateWorker(
            pb.AllocateWorkerRequest(model_name=model, task_queue=names.task_queue(session)),
            timeout=5,
        )
        assert answer.success, answer
        return session

    def speak(self, session: str, first: int, count: int) -> None:
        self.peer.put(
            session, *[Chunk(n * SAMPLES, b"\1\0" * SAMPLES) for n in range(first, first + count)]
        )

    def end(self, session: str, chunks: int) -> None:
        self.peer.put(session, Chunk(chunks * SAMPLES, eos=True))

    def heard(self, session: str) -> list[Message]:
        return self.peer.results(session)

    def kinds(self, session: str) -> list[str]:
        return [message.kind.value for message in self.heard(session)]

    def state(self, session: str) -> str | None:
        return self.redis.hget(names.session_key(session), "state")

    def result(self, session: str) -> dict[str, Any] | None:
        text = self.redis.get(names.result_key(session))
        return json.loads(text) if text else None

    def used(self, worker: str) -> int:
        return self.redis.scard(names.worker_sessions_key(worker))

    def worker_state(self, worker: str) -> str | None:
        return self.redis.hget(names.worker_key(worker), "state")


@contextmanager
def driver(peer: Peer, redis_url: str, allocator: str) -> Iterator[Driver]:
    made = Driver(peer, redis_url, allocator)
    try:
        yield made
    finally:
        made._channel.close()
        made.redis.close()
