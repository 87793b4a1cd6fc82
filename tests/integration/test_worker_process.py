"""A real worker process on real servers, with a real allocator; the test plays the gateway."""

from __future__ import annotations

import signal
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from asr_tasks.celery import app, configure
from asr_tasks.settings import Settings
from tests.servers.choose import Server
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
        rabbitmq.url, redis_server.url, tmp_path, environment={"ASR_CATALOGUE": str(catalogue)}
    )
    with running(made):
        made.allocator("allocator")
        yield made


@pytest.fixture
def name() -> str:
    return f"w{uuid.uuid4().hex[:8]}-0"


@pytest.fixture
def drive(cluster: Cluster, name: str) -> Iterator[Driver]:
    cluster.worker(name, model="echo", slots=4)
    cluster.wait_ready()
    peer = RabbitPeer(cluster.broker)
    port = cluster.named("allocator").port
    with driver(peer, cluster.redis, f"127.0.0.1:{port}") as made:
        yield made
    peer.close()


def test_a_stream_goes_through_and_leaves_nothing(
    cluster: Cluster, drive: Driver, name: str
) -> None:
    session = drive.open()
    drive.speak(session, 0, 20)
    drive.end(session, 20)
    eventually(lambda: "end" in drive.kinds(session), within=10)
    kinds = drive.kinds(session)
    assert kinds[0] == "working"
    assert kinds[-1] == "end"
    assert kinds.count("final") == drive.heard(session)[-1].segments
    eventually(lambda: drive.used(name) == 0, within=3)
    result = drive.result(session)
    assert result is not None
    assert result["state"] == "done"
    assert drive.state(session) is None
    configure(Settings(broker_url=cluster.broker, redis_url=cluster.redis))
    stored = eventually(lambda: app.AsyncResult(session).result)
    assert stored["session"] == session
    assert stored["transcript"]


def test_a_revoked_stream_ends_within_a_second(cluster: Cluster, drive: Driver, name: str) -> None:
    session = drive.open()
    drive.speak(session, 0, 3)
    eventually(lambda: drive.state(session) == "streaming")
    configure(Settings(broker_url=cluster.broker, redis_url=cluster.redis))
    app.control.revoke(session, terminate=True)
    eventually(lambda: drive.state(session) is None, within=1.5)
    failed = eventually(lambda: [m for m in drive.heard(session) if m.kind.value == "failed"])
    assert failed[0].code == "cancelled"
    eventually(lambda: drive.used(name) == 0, within=3)


def test_a_drained_worker_hands_its_streams_over_and_exits_cleanly(
    cluster: Cluster, drive: Driver, name: str
) -> None:
    session = drive.open()
    drive.speak(session, 0, 5)
    eventually(lambda: drive.state(session) == "streaming")
    cluster.worker("other-1", model="echo", slots=4)
    cluster.wait_ready()
    process = cluster.named(name).process
    process.signal(signal.SIGTERM)
    drive.speak(session, 5, 20)
    assert process.wait(20) == 0
    assert "stream left" in process.tail(200)
    assert "Traceback" not in process.tail(200)  # the model stayed until the stream had left it
    eventually(lambda: drive.used("other-1") == 1, within=5)
    drive.end(session, 25)
    eventually(lambda: "end" in drive.kinds(session), within=10)
    finals = [m for m in drive.heard(session) if m.kind.value == "final"]
    assert len({m.index for m in finals}) == drive.heard(session)[-1].segments


def test_a_cold_shutdown_leaves_the_stream_to_another_worker(
    cluster: Cluster, drive: Driver, name: str
) -> None:
    session = drive.open()
    drive.speak(session, 0, 5)
    eventually(lambda: drive.state(session) == "streaming")
    process = cluster.named(name).process
    process.signal(signal.SIGQUIT)
    process.wait(10)
    assert drive.state(session) is not None  # not ended: somebody else's now


def test_an_absent_checkpoint_is_said_and_the_worker_exits(
    cluster: Cluster, tmp_path: Path
) -> None:
    catalogue = tmp_path / "catalogue.toml"
    catalogue.write_text(CATALOGUE + '\n[models.absent]\nmodel = "nowhere/absent.nemo"\n')
    worker = cluster.worker("absent-0", model="absent", slots=1)
    assert worker.process.wait(60) != 0
    assert "is not installed" in worker.process.tail(80)


def test_a_worker_started_plainly_takes_its_name_and_queue_from_the_settings(
    cluster: Cluster, drive: Driver, name: str
) -> None:
    cluster._start(
        "plain",
        ["-m", "celery", "-A", "asr_tasks", "worker", "--without-mingle", "--without-gossip"],
        {"ASR_WORKER_NAME": "plain-0", "ASR_MODEL": "echo", "ASR_WORKER_HTTP": ""},
        0,
        0,
    )
    eventually(lambda: drive.worker_state("plain-0") == "idle", within=30)
    sessions = [drive.open() for _ in range(5)]  # more than the first worker has slots
    for session in sessions:
        drive.speak(session, 0, 2)
        drive.end(session, 2)
    for session in sessions:
        eventually(lambda s=session: "end" in drive.kinds(s), within=10)
