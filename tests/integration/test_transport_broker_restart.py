"""A broker that is killed and comes back: the streams' connections do not wait for Celery's."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from asr_tasks.contracts import names
from asr_tasks.contracts.audio import Chunk
from asr_tasks.contracts.results import Kind, Message, Result
from asr_tasks.transport.amqp import AmqpTransport
from tests.servers.rabbitmq import LocalRabbitMQ
from tests.support.eventually import eventually
from tests.support.session_peers import RabbitPeer

pytestmark = [
    pytest.mark.faults,
    pytest.mark.skipif(not LocalRabbitMQ.available(), reason="needs a broker of its own to kill"),
]


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[LocalRabbitMQ]:
    server = LocalRabbitMQ(tmp_path / "rabbitmq")
    server.start()
    yield server
    server.stop()


def test_a_killed_broker_costs_no_audio_and_no_final(broker: LocalRabbitMQ) -> None:
    peer = RabbitPeer(broker.url)
    sessions = [names.new_session_id() for _ in range(10)]
    transport = AmqpTransport(broker.url, "test")
    for session in sessions:
        peer.declare(session)
        peer.put(session, *[Chunk(n, b"\0\0") for n in range(5)])
    opened = {session: transport.open(session) for session in sessions}
    for queues in opened.values():
        held = [eventually(lambda q=queues: q.receive(0.1)) for _ in range(5)]
        queues.ack(held[:2])
    eventually(lambda: transport.ready())
    assert opened[sessions[0]].receive(0.3) is None  # the acknowledgements have no answer

    broker.kill9()
    eventually(lambda: not transport.ready())
    published = threading.Thread(
        target=opened[sessions[0]].publish,
        args=(Message(Kind.FINAL, 1, result=Result("kept", final=True)),),
        kwargs={"confirm": True},
    )
    published.start()
    broker.start()
    back = time.monotonic()
    eventually(transport.ready, within=30, every=0.005)
    seen = {session: [] for session in sessions}
    for session, queues in opened.items():
        while len(seen[session]) < 3:
            delivery = eventually(lambda q=queues: q.receive(0.1))
            seen[session].append(delivery.chunk.start)
    print(f"all streams read again {time.monotonic() - back:.2f} s after the port opened")
    assert seen == {session: [2, 3, 4] for session in sessions}
    published.join(15)
    again = RabbitPeer(broker.url)
    assert [m.result.text for m in again.results(sessions[0]) if m.result] == ["kept"]
    for queues in opened.values():
        queues.close()
    transport.close()
