"""What every transport promises, checked against RabbitMQ and against the in-process broker."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Iterator

import pytest

from asr_tasks.contracts import names
from asr_tasks.contracts.audio import Chunk
from asr_tasks.contracts.errors import BackendDown
from asr_tasks.contracts.results import Kind, Message, Result
from asr_tasks.transport import connect
from asr_tasks.transport.base import Delivery, ProcessTransport, QueueGone, SessionQueues
from tests.support.eventually import eventually
from tests.support.session_peers import MemoryPeer, Peer, RabbitPeer

SAMPLES = 1600


@pytest.fixture(params=["rabbitmq", "memory"])
def peer(request: pytest.FixtureRequest) -> Iterator[Peer]:
    made: Peer
    if request.param == "rabbitmq":
        made = RabbitPeer(request.getfixturevalue("rabbitmq").url)
    else:
        made = MemoryPeer(f"memory://{uuid.uuid4().hex}")
    yield made
    made.close()


@pytest.fixture
def transport(peer: Peer) -> Iterator[ProcessTransport]:
    made = connect(peer.url, "test")
    yield made
    made.close()


@pytest.fixture
def session(peer: Peer) -> Iterator[str]:
    made = names.new_session_id()
    peer.declare(made)
    yield made
    with connect_again(peer) as cleaner:
        cleaner.delete(made)


class connect_again:
    """A second transport, as a second worker has."""

    def __init__(self, peer: Peer) -> None:
        self._transport = connect(peer.url, "second")

    def __enter__(self) -> ProcessTransport:
        return self._transport

    def __exit__(self, *_: object) -> None:
        self._transport.close()


def chunk(number: int) -> Chunk:
    return Chunk(number * SAMPLES, number.to_bytes(4, "little") * (SAMPLES // 2))


def read(queues: SessionQueues, count: int, within: float = 10.0) -> list[Delivery]:
    found: list[Delivery] = []
    deadline = time.monotonic() + within
    while len(found) < count and time.monotonic() < deadline:
        delivery = queues.receive(0.1)
        if delivery is not None:
            found.append(delivery)
    assert len(found) == count
    return found


def starts(deliveries: list[Delivery]) -> list[int]:
    return [delivery.chunk.start // SAMPLES for delivery in deliveries]


def final(index: int) -> Message:
    return Message(Kind.FINAL, 1, result=Result(f"final {index}", final=True), index=index)


def partial(index: int) -> Message:
    return Message(Kind.PARTIAL, 1, result=Result(f"partial {index}"), index=index)


def test_audio_comes_in_order_and_whole(
    peer: Peer, transport: ProcessTransport, session: str
) -> None:
    peer.put(session, *[chunk(n) for n in range(50)], Chunk(50 * SAMPLES, eos=True))
    queues = transport.open(session)
    deliveries = read(queues, 51)
    assert starts(deliveries) == list(range(51))
    assert [d.chunk.pcm for d in deliveries[:50]] == [chunk(n).pcm for n in range(50)]
    assert [d.chunk.eos for d in deliveries] == [False] * 50 + [True]
    assert not any(d.redelivered for d in deliveries)
    queues.close()


def test_nothing_to_receive_is_none(transport: ProcessTransport, session: str) -> None:
    queues = transport.open(session)
    assert queues.receive(0.05) is None
    queues.close()


def test_unacknowledged_audio_goes_to_the_successor(
    peer: Peer, transport: ProcessTransport, session: str
) -> None:
    peer.put(session, *[chunk(n) for n in range(10)])
    first = transport.open(session)
    held = read(first, 10)
    first.ack(held[:4])
    first.close()
    second = transport.open(session)
    again = read(second, 6)
    assert starts(again) == [4, 5, 6, 7, 8, 9]
    assert all(d.redelivered for d in again)
    second.close()


def test_acknowledging_around_a_held_one_keeps_just_that(
    peer: Peer, transport: ProcessTransport, session: str
) -> None:
    peer.put(session, *[chunk(n) for n in range(6)])
    first = transport.open(session)
    held = read(first, 6)
    first.ack([held[0], held[1], held[3], held[5]])
    first.ack([held[0]])  # twice is no harm
    first.close()
    second = transport.open(session)
    assert starts(read(second, 2)) == [2, 4]
    second.close()


def test_only_one_consumer_at_a_time_and_then_the_next(
    peer: Peer, transport: ProcessTransport, session: str
) -> None:
    with connect_again(peer) as other:
        first = transport.open(session)
        second = other.open(session)
        peer.put(session, *[chunk(n) for n in range(5)])
        first.ack(read(first, 5)[:2])
        assert second.receive(0.1) is None
        first.close()
        assert starts(read(second, 3)) == [2, 3, 4]
        second.close()


def test_an_acknowledgement_of_another_life_is_a_no_op(
    peer: Peer, transport: ProcessTransport, session: str
) -> None:
    peer.put(session, chunk(0), chunk(1))
    first = transport.open(session)
    old = read(first, 2)
    first.close()
    second = transport.open(session)
    new = read(second, 2)
    first.ack(old)
    second.ack(new[:1])
    second.close()
    third = transport.open(session)
    assert starts(read(third, 1)) == [1]
    third.close()


def test_results_go_out_in_order(peer: Peer, transport: ProcessTransport, session: str) -> None:
    queues = transport.open(session)
    for n in range(20):
        queues.publish(final(n), confirm=True)
    assert [
        m.index for m in eventually(lambda: peer.results(session)[19:] and peer.results(session))
    ] == list(range(20))
    queues.close()


def test_partials_go_out(peer: Peer, transport: ProcessTransport, session: str) -> None:
    eventually(transport.ready)
    queues = transport.open(session)
    for n in range(20):
        queues.publish(partial(n), confirm=False)
    eventually(lambda: len(peer.results(session)) == 20)
    assert [m.index for m in peer.results(session)] == list(range(20))
    queues.close()


@pytest.mark.parametrize("confirm", [True, False])
def test_answering_each_chunk_of_a_replayed_backlog_keeps_order(
    peer: Peer, transport: ProcessTransport, session: str, confirm: bool
) -> None:
    count = 3000 if not confirm else 600
    peer.put(session, *[Chunk(n * 4, b"\1\2" * 4) for n in range(count)])
    eventually(transport.ready)
    first = transport.open(session)
    read(first, 200)
    first.close()  # a predecessor that died with all of it
    queues = transport.open(session)
    order: list[int] = []
    while len(order) < count:
        for delivery in read(queues, 1):
            order.append(delivery.chunk.start // 4)
            message = final(order[-1]) if confirm else partial(order[-1])
            queues.publish(message, confirm=confirm)
            queues.ack([delivery])
        if not confirm and len(order) % 500 == 0:
            # The result queue is bounded; somebody reads it.
            eventually(lambda: len(peer.results(session)) == len(order), within=20)
    assert order == list(range(count))
    eventually(lambda: len(peer.results(session)) == count, within=20)
    assert [m.index for m in peer.results(session)] == list(range(count))
    queues.close()


def test_more_than_the_prefetch_is_read_when_acknowledged(
    peer: Peer, transport: ProcessTransport, session: str
) -> None:
    peer.put(session, *[Chunk(n, b"\0\0") for n in range(300)])
    queues = transport.open(session)
    held = read(queues, 256)
    assert queues.receive(0.1) is None
    queues.ack(held[:100])
    assert [d.chunk.start for d in read(queues, 44)] == list(range(256, 300))
    queues.close()


def test_fifty_streams_do_not_mix(peer: Peer, transport: ProcessTransport) -> None:
    sessions = [names.new_session_id() for _ in range(50)]
    found: dict[str, list[int]] = {}

    def stream(session: str) -> None:
        queues = transport.open(session)
        deliveries = read(queues, 20, within=30)
        queues.ack(deliveries)
        for n in range(2):
            queues.publish(final(n), confirm=True)
        found[session] = starts(deliveries)
        queues.close()

    for session in sessions:
        peer.declare(session)
    threads = [threading.Thread(target=stream, args=(session,)) for session in sessions]
    for thread in threads:
        thread.start()
    for n in range(20):
        for session in sessions:
            peer.put(session, chunk(n))
    for thread in threads:
        thread.join(40)
    assert found == {session: list(range(20)) for session in sessions}
    for session in sessions:
        assert [m.index for m in peer.results(session)] == [0, 1]
        transport.delete(session)
        assert not peer.exists(session)


def test_no_queue_is_said_at_once(transport: ProcessTransport) -> None:
    with pytest.raises(QueueGone):
        transport.open(names.new_session_id())


def test_a_queue_deleted_under_a_stream_ends_that_stream_only(
    peer: Peer, transport: ProcessTransport, session: str
) -> None:
    other = names.new_session_id()
    peer.declare(other)
    doomed, living = transport.open(other), transport.open(session)
    peer.delete_audio(other)
    with pytest.raises(QueueGone):
        _receive_until_error(doomed)
    doomed.close()
    peer.put(session, chunk(0))
    assert starts(read(living, 1)) == [0]
    living.close()
    transport.delete(other)


def test_deleting_what_is_gone_is_harmless(
    peer: Peer, transport: ProcessTransport, session: str
) -> None:
    transport.delete(session)
    transport.delete(session)
    assert not peer.exists(session)


def test_results_for_a_queue_that_is_gone_vanish(
    peer: Peer, transport: ProcessTransport, session: str
) -> None:
    queues = transport.open(session)
    transport.delete(session)
    queues.publish(final(0), confirm=True)
    queues.publish(partial(1), confirm=False)
    queues.close()


def test_closing_the_transport_ends_open_streams(peer: Peer, session: str) -> None:
    with connect_again(peer) as transport:
        queues = transport.open(session)
    with pytest.raises(BackendDown):
        _receive_until_error(queues)
    queues.close()
    with pytest.raises(BackendDown):
        transport.open(session)


def _receive_until_error(queues: SessionQueues, within: float = 5.0) -> None:
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        queues.receive(0.1)
