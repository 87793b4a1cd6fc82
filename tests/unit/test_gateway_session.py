"""One session's endings: what its client is told, once, whatever happens at the same time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from asr_tasks.contracts import names
from asr_tasks.contracts.errors import AsrError, BackendDown, ModelUnavailable, SessionEnded
from asr_tasks.transport.inprocess import InProcessBroker
from gateway.allocation import Allocation
from gateway.audio.source import Source
from gateway.buffer import AudioBuffer
from gateway.bus_inprocess import InProcessBus
from gateway.connection import Connection
from gateway.events import LAST, Done, Event, Failed, Notice
from gateway.ingest import DecoderPool
from gateway.mailbox import Look, Mailbox
from gateway.metrics import Metrics
from gateway.outlet import ClientGone
from gateway.publisher import Publisher
from gateway.services import Services
from gateway.session import Session
from gateway.session_records import Outcome
from gateway.session_start import Start
from gateway.sessions_store import Fenced
from gateway.settings import GatewaySettings
from tests.support.eventually import eventually_async

DONE = Outcome("done", "", "", 2.0, "eos", 0, "english", ())


@dataclass
class Store:
    """What a session asks of :class:`gateway.sessions_store.SessionsStore`."""

    end_with: list[Exception] = field(default_factory=list)
    """What :meth:`end` raises, one a call; the last one for ever."""
    fails: bool = True
    """Whether :meth:`fail` finds the session."""

    async def end(self, session: str, gateway_epoch: int, accepted: int) -> int:
        if self.end_with:
            raise self.end_with.pop(0) if len(self.end_with) > 1 else self.end_with[0]
        return accepted

    async def fail(self, *_: Any, only_waiting: bool) -> bool:
        return self.fails


@dataclass
class Allocator:
    """Implements :class:`gateway.allocation.Allocator`."""

    refusals: list[AsrError] = field(default_factory=list)

    async def allocate(self, session: str, model: str) -> Allocation:
        if self.refusals:
            raise self.refusals.pop(0)
        return Allocation("worker-0")


@dataclass
class Heard:
    """An outlet that keeps what it is told."""

    events: list[Event] = field(default_factory=list)

    async def tell(self, event: Event) -> None:
        self.events.append(event)

    @property
    def last(self) -> list[Event]:
        return [event for event in self.events if isinstance(event, LAST)]


class Call:
    """A session that runs, and all around it."""

    def __init__(self, **settings: Any) -> None:
        self.store, self.allocator, self.heard = Store(), Allocator(), Heard()
        self.bus = InProcessBus(InProcessBroker())
        self.services = Services(
            settings=GatewaySettings(**settings),
            bus=self.bus,
            store=self.store,
            allocator=self.allocator,
            decoders=DecoderPool(1),
            metrics=Metrics(CollectorRegistry()),
        )
        self.session = Session(
            Start(names.new_session_id(), "english", Source()), self.services, self.heard
        )

    async def begin(self) -> None:
        await self.bus.declare(self.session.id)
        self.running = asyncio.create_task(self.session.run())

    async def over(self) -> None:
        self.session.greeted()
        await asyncio.wait_for(self.running, 5)

    def ended(self) -> dict[str, float]:
        """Sessions that the metrics say have ended, by outcome."""
        return {
            sample.labels["outcome"]: sample.value
            for metric in self.services.metrics.registry.collect()
            for sample in metric.samples
            if sample.name == "asr_gateway_sessions_ended_total"
        }


@pytest.fixture
async def call() -> AsyncIterator[Call]:
    made = Call()
    await made.begin()
    yield made
    made.running.cancel()
    await asyncio.gather(made.running, return_exceptions=True)


async def test_an_end_and_a_move_at_once_are_one_last_event(call: Call) -> None:
    call.session.hand_over()
    call.session.note_look(Look(DONE, []))
    await call.over()
    assert call.heard.last == [Done(0, 2.0, "eos")]
    assert call.ended() == {"eos": 1}


async def test_a_session_is_superseded_once(call: Call) -> None:
    call.session.supersede()
    call.session.supersede()
    call.session.hand_over()
    await call.over()
    assert [type(event) for event in call.heard.last] == [Failed]
    assert call.ended() == {"superseded": 1}


async def test_a_client_that_comes_back_is_no_error(
    call: Call, capfd: pytest.CaptureFixture[str]
) -> None:
    call.session.supersede()
    await call.over()
    logged = "".join(capfd.readouterr())
    assert "session taken over" in logged
    assert "session failed" not in logged
    errors = call.services.metrics.registry.get_sample_value
    assert not errors("asr_gateway_errors_total", {"code": "superseded"})


class Socket:
    """The part of aiohttp's WebSocket that a connection sends with, as slow as the test wants."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.codes: list[int] = []
        self.sending, self.flow = asyncio.Event(), asyncio.Event()

    async def send_str(self, text: str) -> None:
        self.sending.set()
        await self.flow.wait()
        self.sent.append(text)

    async def close(self, *, code: int, message: bytes) -> None:
        self.codes.append(code)


async def test_a_connection_has_one_last_message_and_one_code() -> None:
    connection, socket = Connection(GatewaySettings()), Socket()
    connection.ws = socket  # type: ignore[assignment]
    first = asyncio.create_task(connection.close(1000, last="done"))
    await socket.sending.wait()
    second = asyncio.create_task(connection.close(4400, last="error"))
    with pytest.raises(ClientGone):
        await connection.send("a late pong")
    socket.flow.set()
    await asyncio.gather(first, second)
    assert (socket.sent, socket.codes) == (["done"], [1000])


async def test_an_end_that_redis_cannot_note_is_not_tried_for_ever() -> None:
    call = Call(broker_seconds=0.3)
    call.store.end_with = [BackendDown("away")]
    await call.begin()
    await call.session.end()
    await call.over()
    assert call.heard.last == [Failed("backend_down", "away")]


async def test_a_session_that_ended_while_redis_was_away_is_told_how() -> None:
    call = Call(broker_seconds=5.0)
    call.store.end_with = [BackendDown("away"), BackendDown("away"), Fenced("gone")]
    await call.begin()
    await call.session.end()
    await eventually_async(lambda: call.session.urgent)
    call.session.note_look(Look(DONE, []))
    await call.over()
    assert call.heard.last == [Done(0, 2.0, "eos")]


async def test_the_wait_for_the_last_results_begins_when_the_session_is_found_gone() -> None:
    call, now = Call(finish_seconds=60.0), asyncio.get_running_loop().time
    call.store.end_with = [Fenced("gone")]
    start, buffer = Start(names.new_session_id(), "english", Source()), AudioBuffer()
    publisher = Publisher(start, buffer, Mailbox(), call.services)
    publisher._ended_since -= 3600  # the session began an hour ago
    buffer.end()
    with pytest.raises(Fenced):
        await publisher.run()
    assert not publisher.overdue(now())
    assert publisher.overdue(now() + 61)


async def test_a_late_refusal_does_not_hide_the_outcome() -> None:
    """The allocator's answer was lost; when it is asked again the session has ended."""
    call = Call()
    call.allocator.refusals = [BackendDown("answer lost"), SessionEnded()]
    call.store.fails = False
    await call.begin()
    call.session.greeted()
    await eventually_async(lambda: call.session.urgent)
    call.session.note_look(Look(DONE, []))
    await call.over()
    assert call.heard.last == [Done(0, 2.0, "eos")]


async def test_a_refusal_is_told_when_nothing_else_has_ended_the_session() -> None:
    call = Call()
    call.allocator.refusals = [BackendDown("answer lost"), ModelUnavailable()]
    await call.begin()
    await call.over()
    assert [event.code for event in call.heard.last] == ["model_unavailable"]


async def test_a_delivery_that_breaks_ends_the_session() -> None:
    call = Call()
    tell = call.heard.tell

    async def broken(event: Event) -> None:
        if isinstance(event, Notice):
            raise ValueError("cannot be told")
        await tell(event)

    call.heard.tell = broken  # type: ignore[method-assign]
    await call.begin()
    call.session.mailbox.event(Notice("odd", "cannot be told"))
    await call.over()
    assert [event.code for event in call.heard.last] == ["internal"]
    assert call.ended() == {"internal": 1}
