"""The gRPC service, over a real socket and a real Redis."""

from __future__ import annotations

import asyncio
import time
import uuid

import aiohttp
import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from allocator.refusal import CODE_KEY
from allocator.server import SERVICE, serve
from allocator.settings import ServerSettings
from allocator.store import Store
from asr_tasks.contracts import names
from asr_tasks.rpc import worker_manager_pb2 as pb
from asr_tasks.rpc.worker_manager_pb2_grpc import WorkerManagerServiceStub
from tests.support.allocator import AnyModel, Sent, open_session, result_of, session_of, worker_of
from tests.support.eventually import eventually_async

pytestmark = pytest.mark.integration


@pytest.fixture
async def store(redis_server):
    store = Store.connect(redis_server.url)
    yield store
    await store.close()


@pytest.fixture
def sent():
    return Sent()


@pytest.fixture
async def start(store, sent):
    """Start servers; each on its own ports."""
    running = []

    async def start(**settings):
        settings = {"allocator_listen": "127.0.0.1:0", "allocator_http": "127.0.0.1:0", **settings}
        server = await serve(ServerSettings(**settings), store, sent, AnyModel())
        running.append(server)
        return server

    yield start
    for server in running:
        await server.close()


@pytest.fixture
async def channels():
    opened = []

    def connect(server):
        channel = grpc.aio.insecure_channel(server.address)
        opened.append(channel)
        return channel

    yield connect
    for channel in opened:
        await channel.close()


@pytest.fixture
async def server(start):
    return await start()


@pytest.fixture
def channel(server, channels):
    return channels(server)


@pytest.fixture
def stub(channel):
    return WorkerManagerServiceStub(channel)


class Stream:
    """A worker's stream, as the worker process holds it."""

    def __init__(self, stub, name="worker-0", slots=1, incarnation=None, sequence=0):
        self.name, self.slots = name, slots
        self.incarnation = incarnation or uuid.uuid4().hex
        self.sequence = sequence
        self.call = stub.Attach()

    async def report(self, state=pb.READY, running=()):
        """Send one; the commands it is answered with, without the Accepted."""
        self.sequence += 1
        await self.call.write(
            pb.WorkerReport(
                worker_name=self.name,
                model_name="english",
                incarnation=self.incarnation,
                slots=self.slots,
                host="here",
                state=state,
                running=[pb.Assignment(session=s, epoch=e) for s, e in running],
                sequence=self.sequence,
            )
        )
        commands = []
        while True:
            command = await asyncio.wait_for(self.call.read(), 5)
            assert command is not grpc.aio.EOF
            if command.HasField("accepted"):
                assert command.accepted.sequence == self.sequence
                return commands
            commands.append(command)


def allocate(stub, session, model="english"):
    return stub.AllocateWorker(
        pb.AllocateWorkerRequest(model_name=model, task_queue=names.task_queue(session)), timeout=5
    )


async def code_of(call):
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await call
    metadata = dict(raised.value.trailing_metadata() or ())
    return raised.value.code().name, metadata.get(CODE_KEY)


async def test_a_session_is_assigned_and_its_task_sent(store, stub, sent):
    worker = Stream(stub)
    await worker.report()
    session = await open_session(store, language="en")
    answer = await allocate(stub, session)
    assert (answer.success, answer.worker_name, answer.state, answer.epoch) == (
        True, "worker-0", pb.ASSIGNED, 1,
    )  # fmt: skip
    again = await allocate(stub, session)
    assert (again.worker_name, again.epoch) == ("worker-0", 1)
    [offer] = sent.offers
    assert (offer.session, offer.language) == (session, "en")


async def test_with_no_slot_free_a_session_waits_and_is_served(store, stub, sent):
    session = await open_session(store)
    answer = await allocate(stub, session)
    assert (answer.success, answer.state, answer.position, answer.worker_name) == (
        True, pb.WAITING, 1, "",
    )  # fmt: skip
    await Stream(stub).report()
    await eventually_async(lambda: sent.of(session))


@pytest.mark.parametrize(
    ("model", "queue", "status", "code"),
    [
        ("nonsense", "task.{}", "NOT_FOUND", "unknown_model"),
        ("english", "task.nobody", "INVALID_ARGUMENT", "bad_session_id"),
        ("english", "", "INVALID_ARGUMENT", "bad_session_id"),
        ("english", "result.{}", "INVALID_ARGUMENT", "bad_session_id"),
        ("english", "task.{}" * 10_000, "INVALID_ARGUMENT", "bad_session_id"),
        ("english", "task.{}", "NOT_FOUND", "session_ended"),
    ],
)
async def test_a_bad_request_has_a_status_and_a_code(stub, model, queue, status, code):
    request = pb.AllocateWorkerRequest(
        model_name=model, task_queue=queue.replace("{}", names.new_session_id())
    )
    assert await code_of(stub.AllocateWorker(request, timeout=5)) == (status, code)


async def test_a_stream_that_breaks_makes_a_suspect_at_once(store, stub):
    worker = Stream(stub)
    await worker.report()
    pubsub = store.redis.pubsub(ignore_subscribe_messages=True)
    await pubsub.subscribe(names.SUSPECTS_CHANNEL)
    await pubsub.get_message(timeout=1)
    begin = time.perf_counter()
    worker.call.cancel()
    message = await eventually_async(lambda: pubsub.get_message(timeout=0.5), within=2)
    took = time.perf_counter() - begin
    await pubsub.aclose()
    assert message["data"] == "worker-0"
    assert took < 0.2, f"{took * 1000:.0f} ms"  # 50 ms on an idle machine
    assert (await worker_of(store, "worker-0"))["suspect"]


async def test_a_worker_that_leaves_is_no_suspect(store, stub, sent):
    worker, other = Stream(stub), Stream(stub, "worker-1")
    await worker.report()
    session = await open_session(store)
    await allocate(stub, session)
    await other.report()
    await worker.report(pb.LEFT)
    assert await asyncio.wait_for(worker.call.read(), 5) is grpc.aio.EOF
    assert [o.worker for o in sent.of(session)] == ["worker-0", "worker-1"]
    await eventually_async(lambda: _is_empty(store, "worker-0"))


async def _is_empty(store, worker):
    return not await worker_of(store, worker)


async def test_a_stopping_server_suspects_nobody(store, start, channels):
    first, second = await start(), await start()
    worker = Stream(WorkerManagerServiceStub(channels(first)))
    await worker.report()
    await first.close()
    assert not (await worker_of(store, "worker-0"))["suspect"]
    moved = Stream(
        WorkerManagerServiceStub(channels(second)),
        incarnation=worker.incarnation,
        sequence=worker.sequence,
    )
    assert await moved.report() == []
    assert (await worker_of(store, "worker-0"))["state"] == "idle"


async def test_a_cancelled_session_is_told_to_its_worker_with_the_next_report(store, stub):
    worker = Stream(stub)
    await worker.report()
    session = await open_session(store)
    await allocate(stub, session)
    request = pb.ReleaseSessionRequest(session=session, gateway_epoch=1)
    assert (await stub.ReleaseSession(request)).success
    assert not (await stub.ReleaseSession(request)).success
    result = await result_of(store, session)
    assert result is not None
    assert result["code"] == "cancelled"
    [command] = await worker.report(running=[(session, 1)])
    assert (command.cancel.session, command.cancel.reason) == (session, pb.CANCELLED)


async def test_an_older_gateway_is_refused(store, stub):
    session = await open_session(store, gateway_epoch=2)
    call = stub.ReleaseSession(pb.ReleaseSessionRequest(session=session, gateway_epoch=1))
    assert await code_of(call) == ("ABORTED", "superseded")
    call = stub.ReleaseSession(pb.ReleaseSessionRequest(session="me"))
    assert await code_of(call) == ("INVALID_ARGUMENT", "bad_session_id")
    call = stub.ReleaseSession(pb.ReleaseSessionRequest(session=session, code="strange"))
    assert await code_of(call) == ("INVALID_ARGUMENT", "bad_parameter")


async def test_a_drained_worker_is_told_and_its_sessions_move(store, stub, sent):
    worker, other = Stream(stub), Stream(stub, "worker-1")
    await worker.report()
    session = await open_session(store)
    await allocate(stub, session)
    await other.report()
    await store.redis.hset(names.session_key(session), "state", "streaming")
    await worker.report(running=[(session, 1)])
    answer = await stub.DrainWorker(pb.DrainWorkerRequest(worker_name="worker-0"))
    assert (answer.success, answer.sessions) == (True, 1)
    [command] = await worker.report(running=[(session, 1)])
    assert command.HasField("drain")
    await worker.report(pb.DRAINING)  # handed over: the body has left
    await eventually_async(lambda: [o.worker for o in sent.of(session)][1:] == ["worker-1"])
    assert not (await stub.DrainWorker(pb.DrainWorkerRequest(worker_name="nobody"))).success


async def test_a_worker_without_a_name_is_refused(stub):
    call = stub.Attach()
    await call.write(pb.WorkerReport(model_name="english"))
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        assert await call.read() is grpc.aio.EOF
        await _raise_status(call)
    assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def _raise_status(call):
    raise grpc.aio.AioRpcError(
        await call.code(), await call.initial_metadata(), await call.trailing_metadata()
    )


async def test_an_older_stream_of_a_worker_is_closed(stub):
    old = Stream(stub)
    await old.report()
    new = Stream(stub, incarnation=old.incarnation, sequence=old.sequence)
    await new.report()
    await old.call.write(
        pb.WorkerReport(worker_name="worker-0", model_name="english",
                        incarnation=old.incarnation, slots=1, sequence=9)
    )  # fmt: skip
    assert await old.call.code() is grpc.StatusCode.ABORTED
    assert await new.report() == []


async def test_a_worker_is_known_again_after_redis_came_back_empty(store, stub):
    worker = Stream(stub)
    await worker.report()
    await store.read("FLUSHALL")
    await worker.report()
    assert (await worker_of(store, "worker-0"))["state"] == "idle"


async def test_the_unary_heartbeat_is_enough_for_a_worker(store, stub, sent):
    session = await open_session(store)
    await allocate(stub, session)
    beat = pb.SendHeartbeatRequest(worker_name="worker-0", model_name="english")
    assert (await stub.SendHeartbeat(beat)).success
    [offer] = sent.of(session)
    assert offer.worker == "worker-0"
    before = (await worker_of(store, "worker-0"))["beat"]
    await stub.SendHeartbeat(beat)
    assert (await worker_of(store, "worker-0"))["beat"] != before
    beat.final = True
    assert (await stub.SendHeartbeat(beat)).success
    assert await store.workers() == {}
    assert (await session_of(store, session))["state"] == "waiting"
    assert await code_of(stub.SendHeartbeat(pb.SendHeartbeatRequest())) == (
        "INVALID_ARGUMENT", "bad_parameter",
    )  # fmt: skip


async def test_lists(store, stub):
    await Stream(stub, slots=4).report()
    session = await open_session(store, client="bob", tenant="city", accepted=32_000)
    await allocate(stub, session)
    await allocate(stub, await open_session(store, model="malay"), model="malay")
    await store.cordon("worker-0", True)
    [worker] = (await stub.ListWorkers(pb.ListWorkersRequest(model_name="english"))).workers
    assert worker.cordoned
    assert not worker.suspect
    assert (worker.worker_name, worker.state, worker.slots) == ("worker-0", "busy", 4)
    assert [(s.session, s.epoch) for s in worker.sessions] == [(session, 1)]
    listed = (await stub.ListSessions(pb.ListSessionsRequest())).sessions
    assert len(listed) == 2
    [mine] = [s for s in listed if s.session == session]
    assert (mine.state, mine.client, mine.tenant, mine.accepted) == (
        "assigned", "bob", "city", 32_000,
    )  # fmt: skip
    [model] = (await stub.ListModels(pb.ListModelsRequest())).models
    assert (model.model_name, model.workers, model.slots, model.used) == ("english", 1, 4, 1)


async def test_health_and_reflection(channel, server):
    health = health_pb2_grpc.HealthStub(channel)
    for name in ("", SERVICE):

        async def serving(name=name):
            answer = await health.Check(health_pb2.HealthCheckRequest(service=name))
            return answer.status == health_pb2.HealthCheckResponse.SERVING

        await eventually_async(serving)
    reflection = reflection_pb2_grpc.ServerReflectionStub(channel)
    request = reflection_pb2.ServerReflectionRequest(list_services="")
    async for answer in reflection.ServerReflectionInfo(iter([request])):
        listed = {s.name for s in answer.list_services_response.service}
        assert SERVICE in listed
    async with aiohttp.ClientSession() as http:
        for path in ("/healthz", "/readyz"):
            async with http.get(f"http://{server.http_address}{path}") as response:
                assert response.status == 200
        async with http.get(f"http://{server.http_address}/metrics") as response:
            assert "asr_allocator_allocations_total" in await response.text()


async def test_readyz_says_what_does_not_answer(start, store, sent):
    async def down():
        raise ConnectionError("no broker")

    sent.ping = down
    server = await start()
    async with (
        aiohttp.ClientSession() as http,
        http.get(f"http://{server.http_address}/readyz") as response,
    ):
        assert response.status == 503
        assert await response.json() == {
            "status": "unavailable", "checks": {"redis": "ok", "broker": "no broker"},
        }  # fmt: skip


async def test_two_servers_give_a_thousand_slots_once_each(store, start, channels, sent):
    stubs = [WorkerManagerServiceStub(channels(await start())) for _ in range(2)]
    for ordinal in range(50):
        await store.register(f"worker-{ordinal}", "english", "i", "s", 20, "")
        await store.heartbeat(f"worker-{ordinal}", "i", "s", 1, "ready", [])
    sessions = [await open_session(store) for _ in range(1050)]
    limit = asyncio.Semaphore(64)

    async def one(number, session):
        async with limit:
            return await allocate(stubs[number % 2], session)

    answers = await asyncio.gather(*(one(n, s) for n, s in enumerate(sessions)))
    assert sum(answer.state == pb.ASSIGNED for answer in answers) == 1000
    held = [await store.read("SCARD", names.worker_sessions_key(f"worker-{n}")) for n in range(50)]
    assert held == [20] * 50
    assert len({offer.session for offer in sent.offers}) == len(sent.offers) == 1000
    assert await store.read("ZCARD", names.waiting_key("english")) == 50
