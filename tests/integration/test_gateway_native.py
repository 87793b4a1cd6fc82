"""The native protocol on real RabbitMQ and Redis: what a client is promised."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from functools import partial

import numpy as np
import pytest
import redis

from asr_tasks.contracts import names
from asr_tasks.state.redis_sessions import RedisSessions
from gateway.bus_amqp import AmqpBus
from tests.faults.tools import rabbitmqctl
from tests.servers.choose import Server
from tests.support.amqp_queues import AmqpQueues, queue_exists
from tests.support.audio import encoded, noise, wav
from tests.support.eventually import eventually_async
from tests.support.fake_worker import FakeAllocator, transcript
from tests.support.gateway_stack import Stack, stack

pytestmark = pytest.mark.integration


@pytest.fixture
async def gateway(rabbitmq: Server, redis_server: Server) -> AsyncIterator[Stack]:
    bus = AmqpBus(rabbitmq.url, "gateway-a")
    opener = partial(AmqpQueues.open, rabbitmq.url)
    async with stack(bus, redis_server.url, opener) as made:
        yield made


@pytest.fixture
async def nothing_left(
    gateway: Stack, rabbitmq: Server, redis_server: Server
) -> AsyncIterator[None]:
    """After the test: no session, no key but results, no queue."""
    yield
    with redis.Redis.from_url(redis_server.url, decode_responses=True) as client:
        results = client.keys("asr:result:*")

        def clean() -> bool:
            live = client.keys("asr:session:*") + client.keys("asr:sessions")
            return not live and not len(gateway.gateway.registry)

        await eventually_async(clean, within=5.0)
        results = client.keys("asr:result:*")
        assert all(client.ttl(key) > 0 for key in results)
    for key in results:
        session = key.removeprefix("asr:result:")
        assert not await queue_exists(rabbitmq.url, names.task_queue(session))
        assert not await queue_exists(rabbitmq.url, names.result_queue(session))


async def test_a_recording_becomes_its_transcript(gateway: Stack, nothing_left: None) -> None:
    pcm = noise(7.3)
    async with gateway.stream() as client:
        await client.send(pcm)
        await client.say(type="end")
        assert await client.rest() == 1000
    assert client.heard[0]["type"] == "ready"
    assert client.finals == transcript(pcm)
    assert client.last("accepted")["bytes"] == len(pcm)
    assert client.heard[-1] == {"type": "done", "segments": 4, "duration": 7.3, "reason": "eos"}


async def test_partials_can_be_left_out(gateway: Stack) -> None:
    async with gateway.stream(partials="false") as client:
        await client.send(noise(3))
        await client.say(type="end")
        await client.rest()
    assert "partial" not in {message["type"] for message in client.heard}
    assert len(client.finals) == 2


async def test_end_twice_is_harmless(gateway: Stack, nothing_left: None) -> None:
    pcm = noise(1)
    async with gateway.stream() as client:
        await client.send(pcm)
        await client.say(type="end")
        await client.say(type="end")
        assert await client.rest() == 1000
    assert client.finals == transcript(pcm)


async def test_a_sample_may_be_split_between_messages(gateway: Stack, nothing_left: None) -> None:
    pcm = noise(2.5)
    async with gateway.stream() as client:
        await client.send(pcm, piece=333)
        await client.say(type="end")
        assert await client.rest() == 1000
    assert client.finals == transcript(pcm)


async def test_an_odd_total_is_put_right_with_a_warning(gateway: Stack) -> None:
    pcm = noise(1)
    async with gateway.stream() as client:
        await client.send(pcm + b"x")
        await client.say(type="end")
        assert await client.rest() == 1000
    assert client.last("warning")["code"] == "incomplete_sample"
    assert client.finals == transcript(pcm)


async def test_empty_messages_are_ignored(gateway: Stack) -> None:
    pcm = noise(1)
    async with gateway.stream() as client:
        for _ in range(10):
            await client.ws.send_bytes(b"")
        await client.send(pcm)
        await client.ws.send_bytes(b"")
        await client.say(type="end")
        assert await client.rest() == 1000
    assert client.finals == transcript(pcm)


async def test_no_audio_at_all(gateway: Stack, nothing_left: None) -> None:
    async with gateway.stream() as client:
        await client.say(type="end")
        assert await client.rest() == 1000
    assert client.last("done")["segments"] == 0


async def test_a_tenth_of_a_second(gateway: Stack) -> None:
    pcm = noise(0.1)
    async with gateway.stream() as client:
        await client.send(pcm, piece=100)
        await client.say(type="end")
        assert await client.rest() == 1000
    assert client.finals == transcript(pcm)
    assert client.last("done")["duration"] == 0.1


async def test_an_hour_of_audio_in_bounded_memory(gateway: Stack, nothing_left: None) -> None:
    minute = noise(60)
    async with gateway.stream(partials="false") as client:
        hearing = asyncio.create_task(client.rest(120))
        for _ in range(60):
            await client.send(minute, piece=1 << 18)
        await client.say(type="end")
        assert await hearing == 1000
    assert client.last("done")["duration"] == 3600.0
    assert client.finals == transcript(minute) * 60


@pytest.mark.parametrize(("rate", "channels"), [(8000, 1), (44100, 2), (48000, 1), (16000, 2)])
async def test_raw_audio_of_any_rate_and_channels(gateway: Stack, rate: int, channels: int) -> None:
    samples = (np.sin(np.arange(rate * 3) / rate * 2764) * 9000).astype("<i2")
    data = np.repeat(samples, channels).tobytes()
    async with gateway.stream(rate=rate, channels=channels) as client:
        await client.send(data, piece=5555)
        await client.say(type="end")
        assert await client.rest() == 1000
    assert client.last("done")["duration"] == 3.0
    assert client.last("accepted")["bytes"] == len(data)


@pytest.mark.parametrize(
    ("kind", "subtype"),
    [("FLAC", "PCM_16"), ("OGG", "OPUS"), ("MP3", "MPEG_LAYER_III"), ("WAV", "ULAW")],
)
async def test_containers(gateway: Stack, kind: str, subtype: str) -> None:
    async with gateway.stream(encoding="auto") as client:
        await client.send(encoded(noise(3), kind, subtype))
        await client.say(type="end")
        assert await client.rest() == 1000
    assert client.last("done")["duration"] == pytest.approx(3.0, abs=0.1)


async def test_a_wav_is_what_is_in_it(gateway: Stack) -> None:
    pcm = noise(3)
    async with gateway.stream(content_type="audio/wav") as client:
        await client.send(wav(pcm), piece=1001)
        await client.say(type="end")
        assert await client.rest() == 1000
    assert client.finals == transcript(pcm)


async def test_a_wav_cut_in_half(gateway: Stack, nothing_left: None) -> None:
    file = wav(noise(4))
    async with gateway.stream(encoding="auto") as client:
        await client.send(file[: len(file) // 2])
        await client.say(type="end")
        assert await client.rest() == 1000
    assert client.last("warning")["code"] == "truncated"
    assert client.last("done")["duration"] == pytest.approx(2.0, abs=0.01)
    assert client.finals[0] == transcript(noise(4))[0] or len(client.finals) == 1


async def test_ping(gateway: Stack) -> None:
    async with gateway.stream() as client:
        await client.say(type="ping", stamp=17)
        assert await client.until("pong") == {"type": "pong", "stamp": 17}


async def test_cancel(gateway: Stack, nothing_left: None) -> None:
    async with gateway.stream() as client:
        await client.send(noise(3))
        await client.until("final")
        await client.say(type="cancel")
        assert await client.rest() == 4499
    assert client.last("error")["code"] == "cancelled"


@pytest.mark.parametrize(
    ("query", "code", "close"),
    [
        ({"model": "klingon"}, "unknown_model", 4404),
        ({"model": None}, "bad_parameter", 4400),
        ({"rate": "fast"}, "bad_parameter", 4400),
        ({"rate": "16001"}, "bad_parameter", 4400),
        ({"rate": "99999999"}, "bad_parameter", 4400),
        ({"channels": "0"}, "bad_parameter", 4400),
        ({"encoding": "mp7"}, "bad_parameter", 4400),
        ({"content_type": "text/html"}, "bad_parameter", 4400),
        ({"partials": "maybe"}, "bad_parameter", 4400),
        ({"priority": "100"}, "bad_parameter", 4400),
        ({"resume_window": "-1"}, "bad_parameter", 4400),
        ({"resume_window": "nan"}, "bad_parameter", 4400),
        ({"client": "x" * 65}, "bad_parameter", 4400),
        ({"colour": "red"}, "bad_parameter", 4400),
        ({"session": "7"}, "bad_session_id", 4400),
        ({"session": "7", "token": "t"}, "bad_session_id", 4400),
        ({"token": "t"}, "bad_parameter", 4400),
        ({"session": names.new_session_id(), "token": "t"}, "session_ended", 4410),
    ],
)
async def test_what_is_wrong_with_a_request_is_said(
    gateway: Stack, query: dict[str, str], code: str, close: int
) -> None:
    async with gateway.stream(**query) as client:
        assert await client.rest() == close
    assert client.heard[0]["type"] == "error"
    assert client.heard[0]["code"] == code
    assert client.heard[0]["message"]
    assert client.heard[0]["retry"] is False


@pytest.mark.parametrize(
    "text", ["hello", "[]", "{}", '{"type":5}', '{"type":"sing"}', "[" * 100_000]
)
async def test_text_where_audio_belongs(gateway: Stack, nothing_left: None, text: str) -> None:
    pcm = noise(1)
    async with gateway.stream() as client:
        await client.send(pcm)
        await client.until("accepted")
        await client.ws.send_str(text)
        assert await client.rest() == 4400
    assert client.last("error")["code"] == "bad_message"
    stored = await gateway.store.read(client.ready["session"])
    assert stored is not None


async def test_a_message_of_ten_megabytes(gateway: Stack, nothing_left: None) -> None:
    async with gateway.stream() as client:
        await client.ws.send_bytes(bytes(10 << 20))
        assert await client.rest() == 1009


async def test_a_message_just_over_the_limit(gateway: Stack) -> None:
    async with gateway.stream() as client:
        await client.ws.send_bytes(bytes((1 << 20) + 1))
        assert await client.rest() == 1009
    assert client.last("error")["code"] == "message_too_big"


async def test_audio_after_the_end(gateway: Stack, nothing_left: None) -> None:
    gateway.allocator.slow = 0.05
    async with gateway.stream() as client:
        await client.send(noise(3))
        await client.say(type="end")
        await client.ws.send_bytes(b"12")
        assert await client.rest() == 4409
    assert client.last("error")["code"] == "audio_after_end"


@pytest.mark.parametrize("data", [b"this is not a recording " * 50, b"RIFF\0\0\0\0WAVEdata\1\0\0\0",
                                  b"fLaC" + bytes(500)])  # fmt: skip
async def test_bytes_that_are_no_audio(gateway: Stack, nothing_left: None, data: bytes) -> None:
    async with gateway.stream(encoding="auto") as client:
        await client.send(data)
        await client.say(type="end")
        assert await client.rest() == 4415
    assert client.last("error")["code"] == "bad_audio"


async def test_a_session_id_of_the_clients_choice(gateway: Stack) -> None:
    session = names.new_session_id()
    async with gateway.stream(session=session) as client:
        await client.until("ready")
        assert client.ready["session"] == session
        async with gateway.stream(session=session) as other:
            assert await other.rest() == 4403
        assert other.heard[0]["code"] == "not_your_session"
        async with gateway.stream(session=session, token="stolen") as thief:
            assert await thief.rest() == 4403
        pcm = noise(1)
        await client.send(pcm)  # and the owner did not notice
        await client.say(type="end")
        assert await client.rest() == 1000
    assert client.finals == transcript(pcm)
    async with gateway.stream(session=session) as late:
        assert await late.rest() == 4403


async def test_a_client_gone_without_a_word(gateway: Stack, nothing_left: None) -> None:
    pcm = noise(3)
    async with gateway.stream(resume_window=0.5) as client:
        await client.send(pcm)
        while (await client.until("accepted"))["bytes"] < len(pcm):
            continue
        client.ws._response.connection.transport.abort()
    session = client.ready["session"]

    async def stored() -> bool:
        found = await gateway.store.read(session)
        return getattr(found, "state", "") == "done"

    await eventually_async(stored, within=5.0)
    outcome = await gateway.store.read(session)
    assert [part.result.text for part in outcome.segments] == transcript(pcm)


async def test_a_silent_client_is_ended_and_does_not_come_back(
    rabbitmq: Server, redis_server: Server
) -> None:
    opener = partial(AmqpQueues.open, rabbitmq.url)
    async with (
        stack(AmqpBus(rabbitmq.url, "a"), redis_server.url, opener, idle_seconds=0.5) as gateway,
        gateway.stream(resume_window=60) as client,
    ):
        pcm = noise(3)
        await client.send(pcm)
        assert await client.rest() == 4408
        assert client.last("error")["code"] == "idle_timeout"
        session, token = client.ready["session"], client.ready["token"]

        async def stored() -> bool:
            return getattr(await gateway.store.read(session), "state", "") == "done"

        await eventually_async(stored, within=5.0)
        async with gateway.stream(model=None, session=session, token=token) as back:
            assert await back.rest() == 1000
        assert back.ready["ended"]
        assert back.finals == transcript(pcm)


async def test_no_worker_in_time(rabbitmq: Server, redis_server: Server) -> None:
    opener = partial(AmqpQueues.open, rabbitmq.url)
    allocator = FakeAllocator(RedisSessions.connect(redis_server.url), opener, slots=0)
    bus = AmqpBus(rabbitmq.url, "a")
    async with (
        stack(bus, redis_server.url, opener, allocator=allocator, wait_seconds=1.0) as gateway,
        gateway.stream() as client,
    ):
        assert (await client.until("state"))["state"] == "waiting"
        assert await client.rest() == 1013
        known = {name: client.ready[name] for name in ("session", "token")}
        async with gateway.stream(model=None, **known) as back:
            assert await back.rest() == 1013
    assert client.last("error")["code"] == "no_worker"
    assert client.last("error")["retry"] is True
    assert (client.ready["over"], back.ready["over"]) == (False, True)
    assert back.last("error") == client.last("error") | {"retry": False}
    with redis.Redis.from_url(redis_server.url) as store:
        assert not store.keys("asr:session:*")


async def test_audio_waits_for_a_worker(gateway: Stack) -> None:
    gateway.allocator.slots = 0
    pcm = noise(5)
    async with gateway.stream() as client:
        await client.send(pcm)
        await client.say(type="end")
        assert (await client.until("state"))["state"] == "waiting"
        gateway.allocator.assign(client.ready["session"])
        assert await client.rest() == 1000
    assert client.finals == transcript(pcm)


async def test_too_many_sessions(rabbitmq: Server, redis_server: Server) -> None:
    opener = partial(AmqpQueues.open, rabbitmq.url)
    async with (
        stack(AmqpBus(rabbitmq.url, "a"), redis_server.url, opener, max_sessions=1) as gateway,
        gateway.stream() as first,
    ):
        await first.until("ready")
        async with gateway.stream() as second:
            assert await second.rest() == 1013
        assert second.heard[0]["code"] == "overloaded"


async def test_a_dead_worker_costs_no_word(gateway: Stack, nothing_left: None) -> None:
    pcm = noise(9)
    async with gateway.stream() as client:
        await client.send(pcm[: 5 * 32_000])
        await client.until("final")
        gateway.allocator.kill(client.ready["session"])
        gateway.allocator.assign(client.ready["session"])
        await client.send(pcm[5 * 32_000 :])
        await client.say(type="end")
        assert await client.rest() == 1000
    assert client.finals == transcript(pcm)


async def test_a_session_that_the_monitor_fails(gateway: Stack) -> None:
    async with gateway.stream() as client:
        await client.send(noise(3))
        await client.until("final")
        session = client.ready["session"]
        assert await gateway.store.fail(
            session, 1, "english", ("recogniser_failed", "given up"), only_waiting=False
        )
        assert await client.rest() == 4500
    assert client.last("error") == {
        "type": "error",
        "code": "recogniser_failed",
        "message": "given up",
        "retry": False,
    }


async def test_http(gateway: Stack) -> None:
    async with gateway.stream() as client:
        await client.send(noise(2.5))
        await client.until("final")
        url = f"{gateway.url}/v1/sessions/{client.ready['session']}"
        headers = {"Authorization": f"Bearer {client.ready['token']}"}
        async with gateway.http.get(url, headers=headers) as answer:
            assert answer.status == 200
            assert (await answer.json())["text"] == client.finals[0]
        async with gateway.http.get(url) as answer:
            assert answer.status == 403
            assert (await answer.json())["error"]["code"] == "not_your_session"
    async with gateway.http.get(f"{gateway.url}/v1/sessions/7") as answer:
        assert answer.status == 400
    for path in ("/healthz", "/readyz", "/metrics", "/v1/models", "/"):
        async with gateway.http.get(gateway.url + path) as answer:
            assert answer.status == 200, path
    async with gateway.http.get(gateway.url + "/v1/stream") as answer:
        assert answer.status == 426
    async with gateway.http.get(gateway.url + "/metrics") as answer:
        assert "asr_gateway_sessions_active" in await answer.text()


async def test_a_hundred_thousand_tiny_messages(gateway: Stack) -> None:
    pcm = noise(3)
    async with gateway.stream() as client:
        for at in range(0, len(pcm), 2):
            await client.ws.send_bytes(pcm[at : at + 2])
        await client.say(type="end")
        assert await client.rest(60) == 1000
    assert client.finals == transcript(pcm)


async def test_autobahn_like_garbage_closes_only_itself(gateway: Stack) -> None:
    async with gateway.stream() as good:
        await good.until("ready")
        reader, writer = await asyncio.open_connection("127.0.0.1", gateway.gateway.port)
        writer.write(
            b"GET /v1/stream?model=english HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
            b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        )
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"\xff\xff\xff\xff\xff")
        await asyncio.wait_for(reader.read(), 10)
        writer.close()
        await good.say(type="end")
        assert await good.rest() == 1000


async def test_a_session_shows_signs_of_life_while_nobody_speaks(
    rabbitmq: Server, redis_server: Server
) -> None:
    opener = partial(AmqpQueues.open, rabbitmq.url)
    async with (
        stack(AmqpBus(rabbitmq.url, "a"), redis_server.url, opener, alive_seconds=0.3) as gateway,
        gateway.stream() as client,
    ):
        ready = await client.until("ready")
        assert ready["window"]["alive_seconds"] == 0.3
        for _ in range(3):
            await client.until("alive", within=2.0)
        await client.say(type="end")
        assert await client.rest() == 1000


async def test_a_memory_alarm_shows_in_readiness_and_not_in_liveness(
    gateway: Stack, rabbitmq: Server
) -> None:
    ctl = rabbitmqctl(rabbitmq)

    async def missing() -> list[str]:
        async with gateway.http.get(f"{gateway.url}/readyz") as answer:
            found: list[str] = (await answer.json())["missing"]
            return found

    async def blocked() -> bool:
        return await missing() == ["broker: blocked"]

    async def well() -> bool:
        return not await missing()

    await eventually_async(well)
    async with gateway.stream() as client:
        await ctl("set_vm_memory_high_watermark", "0.0001")
        try:
            await client.send(noise(1))  # who publishes nothing is told of no alarm
            await eventually_async(blocked, within=10.0)
            async with gateway.http.get(f"{gateway.url}/healthz") as answer:
                assert answer.status == 200
        finally:
            await ctl("set_vm_memory_high_watermark", "0.6")
        await eventually_async(well, within=10.0)
        await client.say(type="end")
        assert await client.rest() == 1000
    assert client.finals == transcript(noise(1))
