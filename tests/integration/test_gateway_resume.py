"""Connections and gateways that break: the client comes back and loses nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from functools import partial

import numpy as np
import pytest

from asr_tasks.contracts import names
from asr_tasks.contracts.audio import Chunk
from asr_tasks.transport.inprocess import InProcessBroker
from gateway.bus_inprocess import InProcessBus
from gateway.session_records import Outcome
from tests.servers.choose import Server
from tests.support.audio import encoded, noise
from tests.support.eventually import eventually_async
from tests.support.fake_worker import transcript
from tests.support.gateway_stack import Client, Stack, stack
from tests.support.memory_queues import MemoryQueues

pytestmark = pytest.mark.integration


@pytest.fixture
def broker() -> InProcessBroker:
    return InProcessBroker()


@pytest.fixture
async def first(broker: InProcessBroker, redis_server: Server) -> AsyncIterator[Stack]:
    opener = partial(MemoryQueues.open, broker)
    async with stack(InProcessBus(broker), redis_server.url, opener, name="first") as made:
        yield made


@pytest.fixture
async def second(
    first: Stack, broker: InProcessBroker, redis_server: Server
) -> AsyncIterator[Stack]:
    opener = partial(MemoryQueues.open, broker)
    async with stack(
        InProcessBus(broker), redis_server.url, opener, allocator=first.allocator, name="second"
    ) as made:
        yield made


def cut(client: Client) -> None:
    client.ws._response.connection.transport.abort()


def again(client: Client, where: Stack, **query: object) -> Client:
    finals = [message["segment"] for message in client.heard if message["type"] == "final"]
    return where.stream(
        model=None,
        session=client.ready["session"],
        token=client.ready["token"],
        last_segment=finals[-1] if finals else -1,
        **query,
    )


async def finish(client: Client, data: bytes) -> None:
    await client.until("ready")
    await client.send(data[client.ready["resume_from"] :])
    await client.say(type="end")
    assert await client.rest() == 1000


@pytest.mark.parametrize("elsewhere", [False, True])
@pytest.mark.parametrize(
    ("rate", "channels"), [(16_000, 1), (16_000, 2), (8_000, 1), (44_100, 1), (48_000, 2)]
)
async def test_a_cut_connection_loses_nothing(
    first: Stack, second: Stack, rate: int, channels: int, elsewhere: bool
) -> None:
    samples = np.random.default_rng(5).integers(-9000, 9000, rate * 6 * channels, np.int16)
    data = samples.astype("<i2").tobytes()
    async with first.stream(rate=rate, channels=channels) as whole:
        await finish(whole, data)
    async with first.stream(rate=rate, channels=channels) as client:
        await client.send(data[: len(data) // 2 + 1])
        await client.until("final")
        await client.until("accepted")
        cut(client)
    async with again(client, second if elsewhere else first) as back:
        await finish(back, data)
    assert back.ready["resumed"]
    assert 0 < back.ready["resume_from"] <= len(data) // 2 + 1
    assert client.finals + back.finals == whole.finals
    assert back.last("done")["duration"] == 6.0
    assert len(back.finals) < len(whole.finals)


async def test_sixteen_khz_resumes_exactly_at_what_was_accepted(first: Stack) -> None:
    async with first.stream() as client:
        await client.send(noise(1))
        while (accepted := await client.until("accepted"))["bytes"] < 32_000:
            continue
        cut(client)
    async with again(client, first) as back:
        await back.until("ready")
        assert back.ready["resume_from"] == accepted["bytes"] == 32_000


@pytest.mark.parametrize(("kind", "subtype"), [("FLAC", "PCM_16"), ("WAV", "PCM_16")])
async def test_a_container_is_decoded_again(
    first: Stack, second: Stack, kind: str, subtype: str
) -> None:
    pcm = noise(9)  # FFmpeg gives a FLAC stream only 2.6 s late
    data = encoded(pcm, kind, subtype)
    async with first.stream(encoding="auto") as client:
        await client.send(data[: len(data) * 2 // 3])
        await client.until("final")
        cut(client)
    async with again(client, second) as back:
        await finish(back, data)
    assert back.ready["resume_from"] == 0
    assert client.finals + back.finals == transcript(pcm)


async def test_the_last_tokens_are_good_and_older_ones_are_not(first: Stack) -> None:
    async with first.stream() as client:
        await client.until("ready")
        session, oldest = client.ready["session"], client.ready["token"]
        # The answer with the new token is lost: the old token is good once more.
        for _ in range(2):
            async with first.stream(model=None, session=session, token=oldest) as lost:
                await lost.until("ready")
        async with first.stream(model=None, session=session, token=lost.ready["token"]) as back:
            await back.until("ready")
            async with first.stream(model=None, session=session, token=oldest) as late:
                assert await late.rest() == 4403
            assert late.heard[0]["code"] == "not_your_session"


@pytest.mark.parametrize("elsewhere", [False, True])
async def test_the_newest_connection_owns_the_session(
    first: Stack, second: Stack, elsewhere: bool
) -> None:
    pcm = noise(3)
    async with first.stream() as old:
        await old.until("ready")
        async with again(old, second if elsewhere else first) as new:
            await new.until("ready")
            assert await old.rest() == 4412
            assert old.heard[-1]["code"] == "superseded"
            await new.send(pcm)
            await new.say(type="end")
            assert await new.rest() == 1000
    assert new.finals == transcript(pcm)


async def test_what_was_missed_comes_after_the_end(first: Stack, second: Stack) -> None:
    pcm = noise(7)
    async with first.stream() as client:
        await client.send(pcm)
        await client.say(type="end")
        await client.until("final")
        cut(client)

    async def over() -> bool:
        return isinstance(await first.store.read(client.ready["session"]), Outcome)

    await eventually_async(over)
    for _ in range(2):  # and once more: until it expires
        async with again(client, second) as back:
            assert await back.rest() == 1000
        assert back.ready["ended"]
        assert back.ready["over"]
        assert client.finals + back.finals == transcript(pcm)
        assert back.last("done")["reason"] == "eos"
    async with second.stream(model=None, session=client.ready["session"], token="wrong") as thief:
        assert await thief.rest() == 4403


async def test_an_ended_session_can_be_resumed_for_its_results(first: Stack, second: Stack) -> None:
    first.allocator.slow = 0.05
    pcm = noise(7)
    async with first.stream() as client:
        await client.send(pcm)
        await client.say(type="end")
        await client.until("final")
        cut(client)
    async with again(client, second) as back:
        assert await back.rest() == 1000
    assert back.ready["ended"]
    assert not back.ready["over"]
    assert back.ready["resume_from"] == len(pcm)
    assert client.finals + back.finals == transcript(pcm)


async def test_a_gateway_that_stops_sends_its_clients_elsewhere(
    first: Stack, second: Stack
) -> None:
    pcm = noise(8)
    async with first.stream() as client:
        await client.send(pcm[: 5 * 32_000])
        await client.until("final")
        draining = asyncio.create_task(first.gateway.drain())
        assert (await client.until("going_away"))["reconnect_ms"] > 0
        async with first.stream() as new:
            assert await new.rest() == 1013
        assert await client.rest() == 1012
        await draining
    async with again(client, second) as back:
        await finish(back, pcm)
    assert client.finals + back.finals == transcript(pcm)


async def test_a_message_that_never_came_is_found_in_redis(
    first: Stack, broker: InProcessBroker
) -> None:
    """Finals are committed before they are published; publishing may fail."""
    lost = 0
    publish = broker.publish

    def lossy(name: str, payload: object, size: int = 0) -> None:
        nonlocal lost
        if isinstance(payload, Chunk) or lost % 3 == 2:
            publish(name, payload, size)
        if not isinstance(payload, Chunk):
            lost += 1

    broker.publish = lossy  # type: ignore[method-assign]
    pcm = noise(9)
    async with first.stream() as client:
        await client.send(pcm)
        await client.say(type="end")
        assert await client.rest() == 1000
    assert client.finals == transcript(pcm)
    assert lost > 10


async def test_redis_away_for_a_while_stops_nothing_but_the_acknowledgements(
    first: Stack, redis_server: Server
) -> None:
    from tests.servers.choose import Given

    if isinstance(redis_server, Given):
        pytest.skip("this Redis is not ours to kill")
    async with first.stream() as client:
        await client.send(noise(1))
        await client.until("accepted")
        redis_server.kill9()
        await client.send(noise(1, seed=2))
        redis_server.start()
        await client.until("accepted")
        await client.say(type="end")
        assert await client.rest(20) == 1000
    assert client.finals == transcript(noise(1) + noise(1, seed=2))


async def test_an_id_is_checked_before_anything_is_written(first: Stack) -> None:
    session = names.new_session_id().upper()
    async with first.stream(session=session) as client:
        assert await client.rest() == 4400
    assert await first.store.read(session) is None
