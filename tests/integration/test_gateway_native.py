"""The native protocol on real RabbitMQ and Redis."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial

import numpy as np
import pytest

from gateway.bus_amqp import AmqpBus
from tests.servers.choose import Server
from tests.support.amqp_queues import AmqpQueues
from tests.support.fake_worker import transcript
from tests.support.gateway_stack import Stack, stack

pytestmark = pytest.mark.integration


def noise(seconds: float, seed: int = 1) -> bytes:
    rng = np.random.default_rng(seed)
    return rng.integers(-8000, 8000, int(seconds * 16_000), dtype=np.int16).tobytes()


@pytest.fixture
async def gateway(rabbitmq: Server, redis_server: Server) -> AsyncIterator[Stack]:
    bus = AmqpBus(rabbitmq.url, "test")
    async with stack(bus, redis_server.url, partial(AmqpQueues.open, rabbitmq.url)) as made:
        yield made


async def test_a_recording_becomes_its_transcript(gateway: Stack) -> None:
    pcm = noise(7.3)
    async with gateway.stream() as client:
        await client.send(pcm)
        await client.say(type="end")
        assert await client.rest() == 1000
    assert client.heard[0]["type"] == "ready"
    assert client.finals == transcript(pcm)
    assert client.last("accepted")["bytes"] == len(pcm)
    assert client.heard[-1] == {"type": "done", "segments": 4, "duration": 7.3, "reason": "eos"}
