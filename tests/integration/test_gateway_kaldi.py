"""kaldi-gstreamer-server's protocol, as its clients know it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import aiohttp
import pytest
from yarl import URL

from asr_tasks.contracts.errors import NoWorker
from asr_tasks.transport.inprocess import InProcessBroker
from gateway.bus_inprocess import InProcessBus
from tests.servers.choose import Server
from tests.support.audio import noise, wav
from tests.support.eventually import eventually_async
from tests.support.fake_worker import transcript
from tests.support.gateway_stack import Stack, stack
from tests.support.memory_queues import MemoryQueues

pytestmark = pytest.mark.integration

CAPS = "audio/x-raw,+layout=(string)interleaved,+rate=(int)16000,+format=(string)S16LE,+channels=(int)1"  # noqa: E501


@pytest.fixture
async def gateway(redis_server: Server) -> AsyncIterator[Stack]:
    broker = InProcessBroker()
    opener = partial(MemoryQueues.open, broker)
    async with stack(
        InProcessBus(broker), redis_server.url, opener, kaldi_silence_seconds=1.5
    ) as made:
        yield made


class Speech:
    """One connection of an old client."""

    def __init__(self, gateway: Stack, query: str = f"content-type={CAPS}") -> None:
        self._gateway = gateway
        # encoded=True: dictate.js sends its caps as they are.
        self._url = URL(f"{gateway.url}/client/ws/speech?{query}", encoded=True)
        self.heard: list[dict[str, Any]] = []

    async def __aenter__(self) -> Speech:
        self.ws = await self._gateway.http.ws_connect(self._url)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.ws.close()

    async def rest(self) -> int | None:
        while (message := await self.ws.receive(10)).type is aiohttp.WSMsgType.TEXT:
            self.heard.append(json.loads(message.data))
        return self.ws.close_code

    @property
    def finals(self) -> list[dict[str, Any]]:
        return [m for m in self.heard if m.get("result", {}).get("final")]

    @property
    def texts(self) -> list[str]:
        return [m["result"]["hypotheses"][0]["transcript"] for m in self.finals]


@pytest.mark.parametrize("eos", ["EOS", b"EOS"])
async def test_the_whole_conversation(gateway: Stack, eos: str | bytes) -> None:
    pcm = noise(5)
    async with Speech(gateway) as client:
        for at in range(0, len(pcm), 8000):
            await client.ws.send_bytes(pcm[at : at + 8000])
        await (client.ws.send_str(eos) if isinstance(eos, str) else client.ws.send_bytes(eos))
        assert await client.rest() == 1000
    assert client.texts == transcript(pcm)
    assert all(message["status"] == 0 for message in client.heard)
    assert len({message["id"] for message in client.heard}) == 1
    assert [message["segment"] for message in client.finals] == [0, 1, 2]
    assert [message["segment-start"] for message in client.finals] == [0.0, 2.0, 4.0]
    assert [message["total-length"] for message in client.finals] == [2.0, 4.0, 5.0]
    partials = [m for m in client.heard if m.get("result") and not m["result"]["final"]]
    assert partials
    assert set(partials[0]) == {"status", "segment", "result", "id"}
    assert set(partials[0]["result"]["hypotheses"][0]) == {"transcript"}


async def test_caps_may_be_encoded(gateway: Stack) -> None:
    pcm = noise(1)
    async with Speech(gateway, str(URL.build(query={"content-type": CAPS}).query_string)) as client:
        await client.ws.send_bytes(pcm)
        await client.ws.send_str("EOS")
        assert await client.rest() == 1000
    assert client.texts == transcript(pcm)


@pytest.mark.parametrize("query", ["", "content-type=", "user-id=x&content-id=y&colour=red"])
async def test_without_caps_the_container_is_recognised(gateway: Stack, query: str) -> None:
    pcm = noise(3)
    async with Speech(gateway, query) as client:
        await client.ws.send_bytes(wav(pcm))
        await client.ws.send_str("EOS")
        assert await client.rest() == 1000
    assert client.texts == transcript(pcm)


async def test_what_comes_after_eos_is_ignored(gateway: Stack) -> None:
    async with Speech(gateway) as client:
        await client.ws.send_bytes(noise(1))
        await client.ws.send_str("EOS")
        await client.ws.send_bytes(noise(1))
        await client.ws.send_str("EOS")
        assert await client.rest() == 1000
    assert client.texts == transcript(noise(1))


async def test_an_adaptation_state_is_given_back(gateway: Stack) -> None:
    state = {
        "type": "string+gzip+base64",
        "value": "eJw=",
        "time": "2026-01-01T00:00:00",
        "id": "7",
    }
    async with Speech(gateway) as client:
        await client.ws.send_str(json.dumps({"adaptation_state": state}))
        await client.ws.send_str("this is not JSON and is ignored")
        await client.ws.send_bytes(noise(1))
        await client.ws.send_str("EOS")
        assert await client.rest() == 1000
    assert client.heard[-1]["adaptation_state"] == state
    assert client.heard[-1]["status"] == 0


async def test_partials_can_be_left_out(gateway: Stack) -> None:
    async with Speech(gateway, f"partial=false&content-type={CAPS}") as client:
        await client.ws.send_bytes(noise(3))
        await client.ws.send_str("EOS")
        await client.rest()
    assert client.heard == client.finals


async def test_no_decoder_is_available(gateway: Stack) -> None:
    gateway.allocator.refusal = NoWorker()
    async with Speech(gateway) as client:
        assert await client.rest() == 1000
    assert client.heard[-1]["status"] == 9
    assert client.heard[-1]["message"]


async def test_a_failing_decoder(gateway: Stack) -> None:
    async with Speech(gateway, "") as client:
        await client.ws.send_bytes(b"this is not audio at all, whatever it may be")
        await client.ws.send_str("EOS")
        assert await client.rest() == 1000
    assert client.heard[-1]["status"] == 5


async def test_no_speech(gateway: Stack) -> None:
    async with Speech(gateway) as client:
        assert await client.rest() == 1000
    assert client.heard[-1]["status"] == 1


async def test_caps_nobody_understands(gateway: Stack) -> None:
    async with Speech(gateway, "content-type=audio/x-raw,+format=(string)S24_32BE") as client:
        assert await client.rest() == 1000
    assert client.heard[-1]["status"] == 5


async def test_a_client_that_goes_is_ended_at_once(gateway: Stack) -> None:
    async with Speech(gateway) as client:
        await client.ws.send_bytes(noise(3))
        message = json.loads((await client.ws.receive(5)).data)
        client.ws._response.connection.transport.abort()

    async def stored() -> bool:
        found = await gateway.store.read(message["id"])
        return getattr(found, "state", "") == "done"

    await eventually_async(stored, within=3.0)


async def test_status(gateway: Stack) -> None:
    redis = gateway.store.redis
    await redis.sadd("asr:workers", "w0", "w1")
    await redis.hset("asr:worker:w0", mapping={"state": "busy", "slots": 4})
    await redis.hset("asr:worker:w1", mapping={"state": "gone", "slots": 4})
    await redis.sadd("asr:worker:w0:sessions", "x")
    async with gateway.http.ws_connect(f"{gateway.url}/client/ws/status") as board:
        assert await board.receive_json(timeout=5) == {
            "num_workers_available": 3,
            "num_requests_processed": 0,
        }
        async with Speech(gateway) as client:
            await client.ws.send_str("EOS")
            await client.rest()
        assert (await board.receive_json(timeout=5))["num_requests_processed"] == 1
