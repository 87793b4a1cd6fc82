"""The client against a gateway that says what the test has written down."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from aiohttp import WSMsgType, web
from aiohttp.test_utils import TestServer

from asr_cli.client import Done, Event, Final, StreamingClient, Warned
from asr_cli.client import streaming as module
from asr_tasks.contracts.errors import AsrError, BackendDown, NoWorker

SECOND = 32_000
Talk = Callable[[web.WebSocketResponse], Awaitable[None]]


class Gateway:
    """Answers each connection with the next talk, the last one again and again."""

    def __init__(self, *talks: Talk) -> None:
        self._talks = list(talks)
        self.asked: list[dict[str, str]] = []

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        self.asked.append(dict(request.query))
        await self._talks[min(len(self.asked), len(self._talks)) - 1](ws)
        await ws.close()
        return ws


@asynccontextmanager
async def served(*talks: Talk) -> AsyncIterator[tuple[Gateway, str]]:
    gateway = Gateway(*talks)
    app = web.Application()
    app.router.add_get("/v1/stream", gateway.serve)
    async with TestServer(app) as server:
        yield gateway, str(server.make_url("")).rstrip("/")


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIRST_DELAY", 0.001)
    monkeypatch.setattr(module, "LONGEST_DELAY", 0.01)


def ready(resume_from: int = 0, **more: Any) -> dict[str, Any]:
    return {
        "type": "ready",
        "session": "s",
        "token": "t",
        "resume_from": resume_from,
        "model": "english",
        "ended": False,
        "over": False,
        **more,
    }


def final(segment: int) -> dict[str, Any]:
    return {"type": "final", "segment": segment, "start": 0.0, "end": 1.0, "text": str(segment)}


def done(duration: float, segments: int = 2) -> dict[str, Any]:
    return {"type": "done", "segments": segments, "duration": duration, "reason": "eos"}


def error(code: str, *, retry: bool) -> dict[str, Any]:
    return {"type": "error", "code": code, "message": "because", "retry": retry}


def says(*messages: dict[str, Any], after: int = 0) -> Talk:
    """Greets, hears so many bytes, says the rest and breaks the connection."""

    async def talk(ws: web.WebSocketResponse) -> None:
        await ws.send_json(messages[0])
        heard = 0
        while heard < after:
            message = await ws.receive()
            assert message.type is WSMsgType.BINARY
            heard += len(message.data)
        for message in messages[1:]:
            await ws.send_json(message)
        await ws.close(code=1012)

    return talk


async def call(url: str, pcm: bytes, *, end: bool = True, **more: Any) -> list[Event]:
    async with (
        asyncio.timeout(10),
        StreamingClient([url], model="english", **more) as client,
    ):
        await client.send(pcm)
        if end:
            await client.end()
        return [event async for event in client]


def kinds(events: list[Event], kind: type[Event]) -> list[Any]:
    return [event for event in events if isinstance(event, kind)]


ACCEPTED = {"type": "accepted", "bytes": 2 * SECOND, "seconds": 2.0}


async def test_who_comes_back_after_the_end_gets_the_rest() -> None:
    async with served(
        says(ready(), ACCEPTED, final(0), after=2 * SECOND),
        says(ready(ended=True, over=True), final(1), done(2.0)),
    ) as (gateway, url):
        events = await call(url, bytes(2 * SECOND))
    assert [event.segment for event in kinds(events, Final)] == [0, 1]
    assert isinstance(events[-1], Done)
    assert gateway.asked[1]["last_segment"] == "0"
    assert not kinds(events, Warned)


async def test_audio_that_was_not_acknowledged_but_taken_is_not_reported() -> None:
    """The connection broke between the broker's confirmation and `accepted`."""
    async with served(
        says(ready(), after=2 * SECOND),
        says(ready(ended=True, over=True), final(0), final(1), done(2.0)),
    ) as (_, url):
        events = await call(url, bytes(2 * SECOND + 1))
    assert len(kinds(events, Final)) == 2
    assert not kinds(events, Warned)


@pytest.mark.parametrize("accepted", [(), (ACCEPTED,)])
async def test_audio_that_was_not_taken_is_reported_once(
    accepted: tuple[dict[str, Any], ...],
) -> None:
    async with served(
        says(ready(), *accepted, after=2 * SECOND),
        says(ready(ended=True, over=True), final(0), final(1), done(2.0)),
    ) as (_, url):
        events = await call(url, bytes(3 * SECOND))
    (warned,) = kinds(events, Warned)
    assert warned.code == "ended_while_away"
    assert "2.0 s" in warned.message
    assert isinstance(events[-1], Done)


@pytest.mark.parametrize("given", [2 * SECOND, 3 * SECOND])
async def test_a_session_that_is_being_ended_says_at_once_what_it_took(given: int) -> None:
    async with served(
        says(ready(), after=2 * SECOND),
        says(ready(2 * SECOND, ended=True)),
        says(ready(2 * SECOND, ended=True), final(0), final(1), done(2.0)),
    ) as (_, url):
        events = await call(url, bytes(given), end=False)
    assert len(kinds(events, Final)) == 2
    warned = kinds(events, Warned)
    assert len(warned) == (given > 2 * SECOND)
    if warned:
        assert events.index(warned[0]) < events.index(kinds(events, Final)[0])


async def test_an_outcome_is_final_though_its_code_may_be_retried() -> None:
    async with served(
        says(ready(), error("no_worker", retry=True)),
        says(ready(ended=True, over=True), error("no_worker", retry=True)),
    ) as (gateway, url):
        with pytest.raises(NoWorker, match="because"):
            await call(url, bytes(SECOND))
    assert len(gateway.asked) == 2


async def test_an_error_of_a_session_that_is_being_ended_is_retried() -> None:
    async with served(
        says(ready(), after=SECOND),
        says(ready(SECOND, ended=True), error("backend_down", retry=True)),
        says(ready(ended=True, over=True), done(1.0, 0)),
    ) as (gateway, url):
        events = await call(url, bytes(SECOND))
    assert isinstance(events[-1], Done)
    assert len(gateway.asked) == 3


async def test_connections_that_are_greeted_and_break_are_given_up() -> None:
    async with served(says(ready())) as (gateway, url):
        with pytest.raises(BackendDown, match="1012"):
            await call(url, bytes(SECOND), give_up=0.2)
    assert len(gateway.asked) > 2


async def test_connections_that_bring_something_forward_are_not_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A clock that moves by itself: each connection costs more than half of the patience."""
    ticks = iter(range(10_000))
    clock = SimpleNamespace(monotonic=lambda: float(next(ticks)))
    monkeypatch.setattr(module, "time", clock)
    parts = [says(ready(), final(segment)) for segment in range(20)]
    async with served(*parts, says(ready(), done(1.0, 20))) as (_, url):
        events = await call(url, bytes(SECOND), give_up=3.0)
    assert len(kinds(events, Final)) == 20


async def test_a_refusal_is_what_the_caller_is_told() -> None:
    async def refuse(ws: web.WebSocketResponse) -> None:
        await ws.send_json(error("overloaded", retry=True))

    async with served(refuse) as (_, url):
        with pytest.raises(AsrError) as raised:
            await call(url, bytes(SECOND), give_up=0.1)
    assert raised.value.code == "overloaded"
