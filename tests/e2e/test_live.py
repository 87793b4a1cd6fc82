"""The promises of the live path, kept by real processes on real servers."""

from __future__ import annotations

import asyncio

import amqp
import pytest
import redis
from celery import Celery
from celery.result import AsyncResult
from kombu import Connection

from asr_cli.client import Done, Final, Moved, Partial, Ready
from asr_tasks.contracts import names
from asr_tasks.contracts.errors import ModelUnavailable, UnknownModel
from tests.support.calls import Call, call, recordings
from tests.support.cluster import Cluster
from tests.support.eventually import eventually, eventually_async
from tests.support.proxy import proxy

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def store(cluster: Cluster) -> redis.Redis:
    return redis.Redis.from_url(cluster.redis, decode_responses=True)


def urls(cluster: Cluster) -> list[str]:
    return [c.url for c in cluster.components if c.name.startswith("gateway") and c.process.alive]


@pytest.fixture(scope="module")
def alone(cluster: Cluster) -> list[list[tuple[str, float, float]]]:
    """What each recording gives when nobody else is on the line."""

    async def one_after_the_other() -> list[Call]:
        return [await call(urls(cluster), pcm, speed=0) for pcm in recordings()]

    return [heard.words for heard in asyncio.run(one_after_the_other())]


def slots_in_use(store: redis.Redis) -> dict[str, int]:
    workers = store.smembers(names.WORKERS_KEY)
    return {w: n for w in workers if (n := store.scard(names.worker_sessions_key(w)))}


def queue_exists(broker: str, queue: str) -> bool:
    with Connection(broker) as connection:
        try:
            connection.default_channel.queue_declare(queue, passive=True)
        except amqp.NotFound:
            return False
        return True


def left_behind(store: redis.Redis, session: str) -> list[str]:
    """Keys of a session that would stay for ever."""
    return [key for key in store.scan_iter(f"*{session}*") if store.ttl(key) < 0]


def test_sixteen_calls_at_once_get_what_each_gets_alone(cluster, store, alone):
    async def together() -> list[Call]:
        return await asyncio.gather(*(call(urls(cluster), pcm) for pcm in recordings()))

    calls = asyncio.run(together())
    assert [made.words for made in calls] == alone
    assert all(made.breaks == 0 for made in calls)

    eventually(lambda: not slots_in_use(store), within=5)
    assert store.smembers(names.SESSIONS_KEY) == set()
    for made in calls:
        assert left_behind(store, made.session) == []
        assert store.exists(names.result_key(made.session))
        for queue in (names.task_queue(made.session), names.result_queue(made.session)):
            eventually(lambda q=queue: not queue_exists(cluster.broker, q), within=5)


def test_words_appear_while_they_are_spoken(cluster):
    made = asyncio.run(call(urls(cluster), recordings()[0]))
    kinds = [type(e) for e in made.events if isinstance(e, Partial | Final)]
    assert kinds.index(Partial) < kinds.index(Final)
    assert kinds.count(Partial) > 10


@pytest.mark.faults
def test_a_killed_worker_costs_no_word(cluster, store, alone):
    """kill -9 in mid-sentence of the worker that serves the call."""

    async def act() -> Call:
        heard: list[object] = []
        calling = asyncio.create_task(call(urls(cluster), recordings()[3], on_event=heard.append))
        # In the second sentence: one final is out, and words of the next are on the screen.
        await eventually_async(
            lambda: (
                any(isinstance(e, Final) for e in heard)
                and isinstance(heard[-1], Partial)
                and heard[-1].segment > 0
            ),
            within=30,
        )
        session = next(iter(store.smembers(names.SESSIONS_KEY)))
        victim = store.hget(names.session_key(session), "worker")
        cluster.named(victim).process.kill9()
        made = await calling
        cluster.named(victim).process.start()
        return made

    made = asyncio.run(act())
    assert made.words == alone[3]
    assert [final.segment for final in made.finals] == list(range(len(made.finals)))
    assert made.breaks == 0  # the client kept its connection
    cluster.wait_ready()
    eventually(lambda: not slots_in_use(store), within=5)


@pytest.mark.faults
def test_a_cut_connection_costs_no_word(cluster, alone):
    """Reset three times in mid-sentence, with audio in flight: the same session goes on."""

    async def act() -> tuple[Call, int]:
        gateway = cluster.named("gateway-1")
        async with proxy("127.0.0.1", gateway.port) as network:
            heard: list[object] = []
            calling = asyncio.create_task(
                call([f"http://127.0.0.1:{network.port}"], recordings()[5], on_event=heard.append)
            )
            for _ in range(3):
                heard.clear()
                await eventually_async(
                    lambda: sum(isinstance(e, Partial) for e in heard) > 3, within=30
                )
                network.cut()
            return await calling, network.connections

    made, connections = asyncio.run(act())
    assert made.words == alone[5]
    assert made.breaks == 3
    assert connections == 4
    assert len({e.session for e in made.events if isinstance(e, Ready)}) == 1


@pytest.mark.faults
def test_a_killed_gateway_costs_no_word(cluster, alone):
    """The client comes back to the other gateway with the same session."""

    async def act() -> Call:
        heard: list[object] = []
        first = cluster.named("gateway-0")
        calling = asyncio.create_task(
            call(
                [first.url, cluster.named("gateway-1").url], recordings()[4], on_event=heard.append
            )
        )
        await eventually_async(lambda: any(isinstance(e, Final) for e in heard), within=30)
        first.process.kill9()
        made = await calling
        first.process.start()
        return made

    made = asyncio.run(act())
    assert made.words == alone[4]
    cluster.wait_ready()


@pytest.mark.parametrize("seconds", [0, 0.1, 5])
def test_silence_says_nothing_and_ends_well(cluster, seconds):
    pcm = bytes(int(seconds * 16_000) * 2)
    made = asyncio.run(call(urls(cluster), pcm, speed=0))
    assert made.finals == []
    assert made.events[-1] == Done(0, seconds, "eos")


def test_an_unknown_model_and_an_absent_checkpoint_are_told_at_once(cluster):
    with pytest.raises(UnknownModel, match="english"):
        asyncio.run(call(urls(cluster), b"", model="klingon"))
    with pytest.raises(ModelUnavailable, match=r"malay\.nemo"):
        asyncio.run(call(urls(cluster), b"", model="malay"))


def test_without_a_worker_calls_wait_by_priority_and_catch_up(cluster, store):
    """Their audio is accepted all the same, and then heard as fast as it goes."""
    pcm, ended = recordings()[0][: 10 * 32_000], []

    async def one(name: str, priority: int) -> Call:
        made = await call(urls(cluster), pcm, speed=0, model="loudness", priority=priority)
        ended.append(name)
        return made

    async def act() -> list[Call]:
        calling, waiting = [], names.waiting_key("loudness")
        for name, priority in (("first", 0), ("second", 0), ("urgent", 5)):
            calling.append(asyncio.create_task(one(name, priority)))
            await eventually_async(lambda: store.zcard(waiting) == len(calling), within=5)
        cluster.worker("loudness-0", model="loudness", slots=1)
        return await asyncio.gather(*calling)

    calls = asyncio.run(act())
    assert ended == ["urgent", "first", "second"]
    assert all(made.events[-1] == Done(len(made.finals), 10.0, "eos") for made in calls)
    assert any(isinstance(e, Moved) and e.state == "waiting" for e in calls[0].events)


def test_another_stream_task_is_asked_for_like_a_model(cluster):
    cluster.wait_ready()
    pcm = bytes(3 * 32_000) + recordings()[0][: 5 * 32_000]
    made = asyncio.run(call(urls(cluster), pcm, speed=0, model="loudness"))
    assert made.text[0] == "silence"
    assert "sound" in made.text
    assert made.finals[-1].end == 8.0


def test_the_transcript_is_the_task_s_result(cluster):
    made = asyncio.run(call(urls(cluster), recordings()[1], speed=0))
    app = Celery(backend=cluster.redis, set_as_current=False)
    result = AsyncResult(made.session, app=app)
    eventually(lambda: result.state == "SUCCESS", within=5)
    assert result.result["transcript"].splitlines() == made.text
