"""A worker in a thread of this process, on the in-process broker and the embedded Redis."""

from __future__ import annotations

import time
import uuid
from pathlib import Path

import pytest
import redis

from asr_tasks.celery import app
from asr_tasks.contracts import names
from asr_tasks.contracts.audio import Chunk
from asr_tasks.contracts.results import Kind
from asr_tasks.worker.embedded import EmbeddedWorker
from asr_tasks.worker.settings import WorkerSettings
from tests.support.allocator import fake_redis
from tests.support.eventually import eventually
from tests.support.session_peers import MemoryPeer
from tests.support.streams_of_worker import CATALOGUE

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("turn", [1, 2])
def test_a_stream_runs_in_this_process_and_the_worker_stops_quickly(
    tmp_path: Path, turn: int
) -> None:
    catalogue = tmp_path / "catalogue.toml"
    catalogue.write_text(CATALOGUE)
    name = f"w{uuid.uuid4().hex[:6]}-0"
    with fake_redis() as url:
        settings = WorkerSettings(
            broker_url="memory://",
            redis_url=url,
            worker_name=name,
            model="echo",
            catalogue=str(catalogue),
            worker_http="",
            allocator_address="127.0.0.1:1",
        )
        session = names.new_session_id()
        peer = MemoryPeer("memory://")
        client = redis.Redis.from_url(url, decode_responses=True)
        with EmbeddedWorker(settings) as worker:
            worker.wait_ready(20)
            peer.declare(session)
            client.hset(
                names.session_key(session),
                mapping={
                    "state": "assigned",
                    "epoch": 1,
                    "worker": name,
                    "committed": 0,
                    "segments": 0,
                },
            )
            client.sadd(names.SESSIONS_KEY, session)
            peer.put(session, *[Chunk(n * 1600, b"\1\0" * 1600) for n in range(20)])
            peer.put(session, Chunk(20 * 1600, eos=True))
            sent = time.monotonic()
            app.send_task(
                names.STREAM_TASK,
                task_id=session,
                kwargs={"session": session, "model": "echo", "epoch": 1, "worker": name},
                queue=names.direct_queue(name),
            )
            eventually(lambda: Kind.END in [m.kind for m in peer.results(session)], within=5)
            assert time.monotonic() - sent < 2
            result = app.AsyncResult(session)
            stored = eventually(lambda: result.result)
            assert stored["transcript"]
            began = time.monotonic()
        assert time.monotonic() - began < 5, "it was not woken"
        client.close()
