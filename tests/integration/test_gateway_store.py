"""What the gateway does in Redis, on a real one and on the embedded default's."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Iterator
from contextlib import suppress
from functools import partial
from typing import TypeVar
from urllib.parse import urlsplit

import pytest
import redis

from asr_cli.embedded_redis import embedded_redis
from asr_tasks.contracts import names
from asr_tasks.contracts.errors import AsrError, BackendDown, NotYourSession
from asr_tasks.transport.inprocess import InProcessBroker
from gateway.bus_inprocess import InProcessBus
from gateway.session_records import Opening, Outcome
from gateway.sessions_store import SessionsStore
from tests.servers.choose import Given, Server
from tests.support.audio import noise
from tests.support.eventually import eventually, eventually_async
from tests.support.gateway_stack import stack
from tests.support.memory_queues import MemoryQueues
from tests.support.proxy import Proxy, proxy

pytestmark = pytest.mark.integration

ENGLISH = Opening("english")
T = TypeVar("T")


@pytest.fixture(scope="module")
def embedded() -> Iterator[str]:
    with embedded_redis() as url:
        yield url


@pytest.fixture(params=["redis", "embedded"])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[SessionsStore]:
    if request.param == "redis":
        url = request.getfixturevalue("redis_server").url
    else:
        url = request.getfixturevalue("embedded")
    made = SessionsStore.connect(url, "gateway-a", 60)
    yield made
    await made.close()


async def spoiled(store: SessionsStore) -> str:
    """A session whose record has a type that no script can work with."""
    session = names.new_session_id()
    await store.redis.set(names.session_key(session), "not a hash")
    return session


async def test_a_burst_of_sessions_waits_for_a_connection(store: SessionsStore) -> None:
    sessions = [names.new_session_id() for _ in range(300)]
    tokens = await asyncio.gather(*(store.open(session, ENGLISH) for session in sessions))
    assert len(set(tokens)) == 300


async def test_a_script_that_breaks_is_no_outage(store: SessionsStore) -> None:
    session = await spoiled(store)
    with pytest.raises(AsrError) as ended:
        await store.end(session, 1, 0)
    with pytest.raises(AsrError) as looked:
        await store.look([(session, "english", 0)])
    (accepted,) = await store.accept([(session, 1, 100)])
    assert [type(error) for error in (ended.value, looked.value, accepted)] == [AsrError] * 3


@pytest.fixture
def trouble(request: pytest.FixtureRequest, redis_server: Server) -> Iterator[None]:
    """A Redis that answers and cannot: the parameter says why."""
    if isinstance(redis_server, Given):
        pytest.skip("this Redis is not ours to trouble")
    with redis.Redis.from_url(redis_server.url) as client:
        match request.param:
            case "full":
                client.config_set("maxmemory", "1")
            case "read only":
                client.replicaof("127.0.0.1", 1)
            case "no master":
                client.config_set("replica-serve-stale-data", "no")
                client.replicaof("127.0.0.1", 1)
            case "busy":
                client.config_set("busy-reply-threshold", 1)
                busy = client.connection_pool.make_connection()
                busy.send_command("EVAL", "while true do end", 0)
        yield
        if request.param == "busy":
            client.script_kill()
            eventually(lambda: _calm(client))
            busy.disconnect()
        client.config_set("maxmemory", "0")
        client.config_set("busy-reply-threshold", 5000)
        client.config_set("replica-serve-stale-data", "yes")
        client.replicaof("no", "one")


def _calm(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.ResponseError:
        return False


@pytest.mark.parametrize("trouble", ["full", "read only", "no master", "busy"], indirect=True)
async def test_a_redis_in_trouble_is_an_outage(redis_server: Server, trouble: None) -> None:
    store = SessionsStore.connect(redis_server.url, "gateway-a", 60)

    async def refused() -> bool:  # BUSY comes a moment after the script has begun
        with pytest.raises(BackendDown):
            await store.open(names.new_session_id(), ENGLISH)
        return True

    try:
        assert await eventually_async(refused)
    finally:
        await store.close()


async def test_a_session_that_redis_refuses_is_told_so_and_ends_alone(redis_server: Server) -> None:
    broker = InProcessBroker()
    opener = partial(MemoryQueues.open, broker)
    async with (
        stack(InProcessBus(broker), redis_server.url, opener) as gateway,
        gateway.stream() as other,
        gateway.stream() as client,
    ):
        gateway.allocator.slots = 0
        await other.until("ready")
        await client.send(noise(0.2))
        await client.until("accepted")
        key = names.session_key(client.ready["session"])
        await gateway.store.redis.delete(key)
        await gateway.store.redis.set(key, "not a hash")
        await client.send(noise(0.2))
        assert await client.rest() == 1011
        assert client.last("error")["code"] == "internal"
        assert "hash" not in client.last("error")["message"]
        await asyncio.wait_for(other.send(noise(0.2)), 5)
        await other.until("accepted")


async def field(store: SessionsStore, session: str, name: str) -> int:
    return int(await store.redis.hget(names.session_key(session), name) or 0)


async def test_what_was_accepted_stays_accepted(store: SessionsStore) -> None:
    session = names.new_session_id()
    await store.open(session, ENGLISH)
    assert await store.accept([(session, 1, 900), (session, 1, 1600)]) == [None, None]
    assert await store.end(session, 1, 2000) == 2000
    assert await store.accept([(session, 1, 1600)]) == [None]  # was on its way all the while
    assert await field(store, session, "accepted") == 2000


@pytest.fixture
async def far(redis_server: Server) -> AsyncIterator[tuple[SessionsStore, Proxy]]:
    """A store, and the network between it and Redis."""
    target = urlsplit(redis_server.url)
    async with proxy(target.hostname or "", target.port or 0) as network:
        store = SessionsStore.connect(f"redis://127.0.0.1:{network.port}/0", "gateway-a", 60)
        yield store, network
        await store.close()


async def test_connections_that_broke_while_nobody_used_them_are_no_outage(
    far: tuple[SessionsStore, Proxy],
) -> None:
    store, network = far
    sessions = [names.new_session_id() for _ in range(8)]
    await asyncio.gather(*(store.open(session, ENGLISH) for session in sessions))
    pooled = network.connections
    assert pooled > 1
    network.cut()
    for session in sessions:
        assert await store.end(session, 1, 10) == 10
    assert network.connections > pooled


async def answer_lost(
    far: tuple[SessionsStore, Proxy], redis_url: str, session: str, work: Awaitable[T]
) -> T:
    """What a call returns that is repeated because its first answer did not arrive."""
    store, network = far
    await store.read(session)  # connected; every script is loaded again where it is missing
    with redis.Redis.from_url(redis_url) as near:
        key = names.session_key(session)
        before = near.hgetall(key)
        network.stall_answers()
        calling = asyncio.ensure_future(work)
        await eventually_async(lambda: near.hgetall(key) != before)
        network.cut()
        return await calling


async def test_every_script_may_run_twice(
    far: tuple[SessionsStore, Proxy], redis_server: Server
) -> None:
    store, url = far[0], redis_server.url
    warm = names.new_session_id()
    for script in (
        store.open(warm, ENGLISH),
        store.attach(warm, "wrong"),
        store.accept([(warm, 1, 1)]),
        store.end(warm, 1, 1),
        store.fail(warm, 1, "english", ("cancelled", ""), only_waiting=False),
    ):  # Redis knows them from now on: an answer that is lost is a script's own
        with suppress(NotYourSession):
            await script

    session = names.new_session_id()
    token = await answer_lost(far, url, session, store.open(session, ENGLISH))
    with pytest.raises(NotYourSession):
        await store.open(session, ENGLISH)

    attached = await answer_lost(far, url, session, store.attach(session, token))
    assert isinstance(attached, tuple)
    epoch = attached[0].gateway_epoch
    assert epoch == await field(store, session, "gateway_epoch")

    accept = store.accept([(session, epoch, 160)])
    assert await answer_lost(far, url, session, accept) == [None]
    assert await field(store, session, "accepted") == 160

    assert await answer_lost(far, url, session, store.end(session, epoch, 320)) == 320

    error = ("cancelled", "why")
    fail = store.fail(session, epoch, "english", error, only_waiting=False)
    assert not await answer_lost(far, url, session, fail)
    ((outcome, _),) = await store.look([(session, "english", 0)])
    assert isinstance(outcome, Outcome)
    assert (outcome.state, outcome.code, outcome.message) == ("failed", *error)
    assert outcome.admits(attached[1])
