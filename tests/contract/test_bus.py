"""What every session bus must do: one suite, two implementations."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from functools import partial

import pytest

from asr_tasks.contracts import names
from asr_tasks.contracts.audio import Chunk
from asr_tasks.contracts.errors import BackendDown
from asr_tasks.contracts.results import Kind, Message, Result
from asr_tasks.transport.inprocess import InProcessBroker
from gateway.bus import QueueGone, SessionBus
from gateway.bus_amqp import AmqpBus
from gateway.bus_inprocess import InProcessBus
from tests.servers.choose import Given, Server
from tests.support.amqp_queues import AmqpQueues, queue_exists
from tests.support.eventually import eventually_async
from tests.support.fake_worker import WorkerQueues
from tests.support.memory_queues import MemoryQueues


@dataclass
class Case:
    """A bus, and its other side."""

    bus: SessionBus
    worker: Callable[[str], Awaitable[WorkerQueues]]
    exists: Callable[[str], Awaitable[bool]]


@pytest.fixture(params=["amqp", "amqp quorum", "inprocess"])
async def case(request: pytest.FixtureRequest) -> AsyncIterator[Case]:
    kind, _, queue_type = request.param.partition(" ")
    if kind == "amqp":
        server: Server = request.getfixturevalue("rabbitmq")
        made = Case(
            AmqpBus(
                server.url, "bus-test", publish_seconds=10.0, queue_type=queue_type or "classic"
            ),
            partial(AmqpQueues.open, server.url),
            partial(queue_exists, server.url),
        )
    else:
        broker = InProcessBroker()

        async def exists(queue: str) -> bool:
            return queue in broker.names()

        made = Case(
            InProcessBus(broker, publish_seconds=1.0), partial(MemoryQueues.open, broker), exists
        )
    await made.bus.start()
    yield made
    await made.bus.close()


@pytest.fixture
async def session(case: Case) -> AsyncIterator[str]:
    session = names.new_session_id()
    await case.bus.declare(session)
    yield session
    await case.bus.delete(session)


def partial_result(text: str) -> Message:
    return Message(Kind.PARTIAL, 1, Result(text))


async def test_chunks_arrive_as_they_were_sent(case: Case, session: str) -> None:
    sent = [Chunk(0, b"ab" * 100), Chunk(100, b""), Chunk(100, b"cd"), Chunk(101, eos=True)]
    for chunk in sent:
        await case.bus.publish(session, chunk)
    worker = await case.worker(session)
    assert [await asyncio.wait_for(worker.receive(), 5) for _ in sent] == sent
    await worker.close()


async def test_results_arrive_in_order(case: Case, session: str) -> None:
    heard: list[Message] = []
    await case.bus.consume(session, heard.append)
    worker = await case.worker(session)
    sent = [partial_result(str(number)) for number in range(20)]
    for message in sent:
        await worker.publish(message)
    await eventually_async(lambda: heard == sent)
    await worker.close()


async def test_a_new_sink_replaces_the_old(case: Case, session: str) -> None:
    old: list[Message] = []
    new: list[Message] = []
    old_sink, new_sink = old.append, new.append
    await case.bus.consume(session, old_sink)
    await case.bus.consume(session, new_sink)
    await case.bus.leave(session, old_sink)  # a superseded session leaving late takes nothing away
    worker = await case.worker(session)
    await worker.publish(partial_result("hello"))
    await eventually_async(lambda: len(new) == 1)
    assert not old
    await worker.close()


async def test_leaving_keeps_the_queues(case: Case, session: str) -> None:
    heard: list[Message] = []
    sink = heard.append
    await case.bus.consume(session, sink)
    await case.bus.leave(session, sink)
    worker = await case.worker(session)
    await worker.publish(partial_result("kept"))
    assert not heard
    await case.bus.consume(session, sink)
    await eventually_async(lambda: heard == [partial_result("kept")])
    await worker.close()


async def test_deleting_removes_both_queues_and_is_idempotent(case: Case, session: str) -> None:
    await case.bus.delete(session)
    assert not await case.exists(names.task_queue(session))
    assert not await case.exists(names.result_queue(session))
    await case.bus.delete(session)


async def test_audio_nobody_would_read_is_refused(case: Case) -> None:
    with pytest.raises(QueueGone):
        await case.bus.publish(names.new_session_id(), Chunk(0, b"ab"))


async def test_declaring_again_is_harmless(case: Case, session: str) -> None:
    await case.bus.publish(session, Chunk(0, b"ab"))
    await case.bus.declare(session)
    worker = await case.worker(session)
    assert await asyncio.wait_for(worker.receive(), 5) == Chunk(0, b"ab")
    await worker.close()


async def test_a_full_queue_holds_its_sender_until_there_is_room(case: Case, session: str) -> None:
    piece = b"ab" * (1 << 20)
    sent = 0

    async def fill() -> None:
        nonlocal sent
        while sent < 40:
            await case.bus.publish(session, Chunk(sent << 20, piece))
            sent += 1

    filling = asyncio.create_task(fill())

    async def stuck() -> bool:
        before = sent
        await asyncio.sleep(0.5)
        return sent == before and sent > 20

    if isinstance(case.bus, InProcessBus):
        case.bus._publish_seconds = 30.0
    await eventually_async(stuck, within=20.0)
    assert not filling.done()
    worker = await case.worker(session)
    for number in range(40):
        assert (await asyncio.wait_for(worker.receive(), 10)).start == number << 20
        await worker.ack_until(1 << 60)
    await asyncio.wait_for(filling, 10)
    await worker.close()


@pytest.mark.faults
async def test_no_confirmed_chunk_is_lost_with_the_broker(rabbitmq: Server) -> None:
    """kill -9 in the middle, and a restart: what was confirmed is there, what was not comes."""
    if isinstance(rabbitmq, Given):
        pytest.skip("this broker is not ours to kill")
    bus = AmqpBus(rabbitmq.url, "bus-test", publish_seconds=60.0)
    await bus.start()
    session = names.new_session_id()
    await bus.declare(session)
    heard: list[Message] = []
    await bus.consume(session, heard.append)
    confirmed = 0

    async def send() -> None:
        nonlocal confirmed
        while confirmed < 400:
            await bus.publish(session, Chunk(confirmed * 1600, bytes(3200)))
            confirmed += 1
            await asyncio.sleep(0.005)

    sending = asyncio.create_task(send())
    await eventually_async(lambda: confirmed > 50)
    await asyncio.to_thread(rabbitmq.kill9)
    await asyncio.to_thread(rabbitmq.start)
    await asyncio.wait_for(sending, 60)
    worker = await AmqpQueues.open(rabbitmq.url, session)
    starts: set[int] = set()
    while len(starts) < 400:
        starts.add((await asyncio.wait_for(worker.receive(), 10)).start)
        await worker.ack_until(max(starts))
    assert starts == {number * 1600 for number in range(400)}
    await worker.publish(partial_result("back"))  # the consumer came back by itself
    await eventually_async(lambda: heard == [partial_result("back")], within=10.0)
    await worker.close()
    await bus.delete(session)
    await bus.close()


@pytest.mark.faults
async def test_a_broker_that_is_away_is_said_so(unused_tcp_port: int) -> None:
    bus = AmqpBus(f"amqp://guest:guest@127.0.0.1:{unused_tcp_port}//", "x", publish_seconds=0.5)
    await bus.start()
    assert not bus.ready()
    with pytest.raises(BackendDown):
        await bus.publish(names.new_session_id(), Chunk(0, b"ab"))
    await bus.close()
