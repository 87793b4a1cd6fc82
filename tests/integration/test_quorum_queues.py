"""`ASR_QUEUE_TYPE=quorum`: every component declares the same, and nothing else changes."""

from __future__ import annotations

import asyncio
import signal
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from allocator.dispatcher import CeleryDispatcher, producer_app
from asr_tasks.contracts import names
from asr_tasks.transport.queues import DELIVERY_LIMIT, EXPIRES_MS, QUORUM, dispatch_arguments
from tests.servers.choose import Server
from tests.support.amqp_queues import queue_exists
from tests.support.cluster import Cluster, running
from tests.support.eventually import eventually
from tests.support.session_peers import RabbitPeer
from tests.support.streams_of_worker import CATALOGUE, Driver, driver

pytestmark = pytest.mark.integration


@pytest.fixture
def cluster(rabbitmq: Server, redis_server: Server, tmp_path: Path) -> Iterator[Cluster]:
    catalogue = tmp_path / "catalogue.toml"
    catalogue.write_text(CATALOGUE)
    made = Cluster(
        rabbitmq.url,
        redis_server.url,
        tmp_path,
        environment={"ASR_CATALOGUE": str(catalogue), "ASR_QUEUE_TYPE": QUORUM},
    )
    with running(made):
        made.allocator("allocator")
        yield made


@pytest.fixture
def name() -> str:
    return f"q{uuid.uuid4().hex[:8]}-0"


@pytest.fixture
def drive(cluster: Cluster, name: str) -> Iterator[Driver]:
    cluster.worker(name, model="echo", slots=4)
    cluster.wait_ready()
    peer = RabbitPeer(cluster.broker, QUORUM)
    port = cluster.named("allocator").port
    with driver(peer, cluster.redis, f"127.0.0.1:{port}") as made:
        yield made
    peer.close()


def test_a_stream_goes_through_and_moves_to_another_worker(
    cluster: Cluster, drive: Driver, name: str
) -> None:
    session = drive.open()
    drive.speak(session, 0, 5)
    eventually(lambda: drive.state(session) == "streaming", within=60)
    other = f"{name[:-2]}-1"
    cluster.worker(other, model="echo", slots=4)
    cluster.wait_ready()
    leaving = cluster.named(name).process
    leaving.signal(signal.SIGTERM)
    drive.speak(session, 5, 20)
    assert leaving.wait(90) == 0
    eventually(lambda: drive.used(other) == 1, within=60)
    drive.end(session, 25)
    eventually(lambda: "end" in drive.kinds(session), within=60)
    finals = [m for m in drive.heard(session) if m.kind.value == "final"]
    assert len({m.index for m in finals}) == drive.heard(session)[-1].segments


def test_the_dispatch_queue_of_a_gone_worker_expires_and_is_not_deleted(
    rabbitmq: Server, name: str
) -> None:
    from allocator.offer import Offer

    async def dispatch() -> None:
        dispatcher = CeleryDispatcher(producer_app(rabbitmq.url), QUORUM)
        dispatcher.send(Offer(names.new_session_id(), name, 1, "english"))
        dispatcher.forget(name)
        await dispatcher.close()

    asyncio.run(dispatch())
    assert asyncio.run(queue_exists(rabbitmq.url, names.direct_queue(name)))
    assert dispatch_arguments(QUORUM) == {
        "x-queue-type": QUORUM,
        "x-delivery-limit": DELIVERY_LIMIT,
        "x-expires": EXPIRES_MS,
    }
