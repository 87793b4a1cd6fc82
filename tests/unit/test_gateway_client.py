"""The client of a session: when it is silent, away, gone."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pytest
from prometheus_client import CollectorRegistry

from asr_tasks.contracts import names
from asr_tasks.contracts.audio import SAMPLE_RATE
from asr_tasks.contracts.errors import IdleTimeout
from asr_tasks.contracts.results import Result
from gateway.audio.source import Source
from gateway.buffer import LIMIT, AudioBuffer
from gateway.client import Client
from gateway.client_state import ClientState
from gateway.events import Event, PartialResult
from gateway.ingest import DecoderPool, Ingest
from gateway.meter import Meter
from gateway.metrics import Metrics
from gateway.outlet import Outlet
from gateway.session_start import Start

SECOND = bytes(2 * SAMPLE_RATE)


@dataclass
class Heard:
    """An outlet that keeps what it is told."""

    events: list[Event] = field(default_factory=list)

    async def tell(self, event: Event) -> None:
        self.events.append(event)


class Call:
    """A client and what it feeds."""

    def __init__(self, outlet: Outlet) -> None:
        start = Start(names.new_session_id(), "english", Source(), resume_seconds=60.0)
        self.metrics = Metrics(CollectorRegistry())
        self.meter = Meter(start.id, self.metrics)
        self.buffer = AudioBuffer()
        ingest = Ingest(start.source, 0, self.buffer, DecoderPool(1))
        self.client = Client(start, outlet, ingest, self.buffer, self.meter)

    def first_results(self) -> float | None:
        return self.metrics.registry.get_sample_value("asr_gateway_first_result_seconds_count")


@pytest.fixture
async def call() -> Call:
    return Call(Heard())


async def test_a_client_that_we_keep_waiting_is_not_silent(call: Call) -> None:
    now = asyncio.get_running_loop().time
    await call.buffer.put(bytes(LIMIT))
    feeding = asyncio.create_task(call.client.feed(SECOND))
    await asyncio.sleep(0)
    assert not call.client.silent(now() + 1000, 300)
    while not feeding.done():
        await call.buffer.take(1.0)
    assert not call.client.silent(now() + 299, 300)
    assert call.client.silent(now() + 301, 300)


async def test_the_first_text_counts_though_an_empty_result_came_before(call: Call) -> None:
    call.meter.audio_came(asyncio.get_running_loop().time())
    call.meter.telling(PartialResult(0, Result("")))
    assert call.first_results() == 0
    for text in ("hello", "hello you"):
        call.meter.telling(PartialResult(0, Result(text)))
    assert call.first_results() == 1


async def test_a_dismissed_client_does_not_come_back() -> None:
    """Its connection ends while it is still being told why, and that is not an absence."""
    telling, told = asyncio.Event(), asyncio.Event()

    class Slow:
        async def tell(self, event: Event) -> None:
            telling.set()
            await told.wait()

    call = Call(Slow())
    await call.client.feed(SECOND)
    dismissing = asyncio.create_task(call.client.dismiss(IdleTimeout()))
    await telling.wait()
    await call.client.feed(SECOND)  # was on its way; no reason for another error
    call.client.detach()
    told.set()
    await dismissing
    assert call.client.state is ClientState.ALONE
    size = 0
    while (pcm := await asyncio.wait_for(call.buffer.take(5.0), 1.0)) is not None:
        size += len(pcm)
    assert size == len(SECOND)  # what was accepted before is transcribed
