"""A live session's transcript over HTTP: while it runs and after the fact."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from asr_tasks.contracts.jobs import FORMATS
from asr_tasks.contracts.transcript import Transcript
from tests.servers.choose import Server
from tests.support.audio import noise
from tests.support.fake_worker import transcript
from tests.support.gateway_stack import Stack
from tests.support.http_api import http_api

pytestmark = pytest.mark.integration

PCM = noise(5)


@pytest.fixture
async def gateway(redis_server: Server, tmp_path: Path) -> AsyncIterator[Stack]:
    async with http_api(redis_server, tmp_path, None, api_keys="operator") as made:
        yield made


async def ask(
    gateway: Stack, session: str, token: str = "", kind: str = ""
) -> tuple[int, str, str]:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    query = {"format": kind} if kind else {}
    url = f"{gateway.url}/v1/sessions/{session}/transcript"
    async with gateway.http.get(url, headers=headers, params=query) as answer:
        return answer.status, answer.content_type, await answer.text()


async def call(gateway: Stack) -> tuple[str, str]:
    """A call that is over: its session and token."""
    async with gateway.stream() as client:
        await client.send(PCM)
        await client.say(type="end")
        assert await client.rest() == 1000
    return client.ready["session"], client.ready["token"]


async def test_after_the_fact(gateway: Stack) -> None:
    status, kind, text = await ask(gateway, *await call(gateway))
    assert (status, kind) == (200, "application/json")
    kept = Transcript.from_json(text)
    assert [one.text for one in kept.utterances] == transcript(PCM)
    assert [(one.start, one.end) for one in kept.utterances] == [(0, 2), (2, 4), (4, 5)]
    assert (kept.model, kept.language, kept.duration) == ("english", "en", 5.0)


async def test_in_every_format(gateway: Stack) -> None:
    session, token = await call(gateway)
    for wanted in FORMATS:
        status, kind, text = await ask(gateway, session, token, wanted)
        assert status == 200
        assert kind != "application/json" or wanted == "json"
        assert all(word in text for word in transcript(PCM)), wanted


async def test_so_far(gateway: Stack) -> None:
    async with gateway.stream() as client:
        await client.send(PCM[: 3 * 32_000])
        await client.until("final")
        status, _, text = await ask(gateway, client.ready["session"], client.ready["token"])
        assert status == 200
        kept = Transcript.from_json(text)
        assert [one.text for one in kept.utterances] == transcript(PCM)[:1]
        assert kept.duration == 2.0


async def test_who_may_see_it(gateway: Stack) -> None:
    session, token = await call(gateway)
    assert (await ask(gateway, session, token))[0] == 200
    assert (await ask(gateway, session, "operator"))[0] == 200
    for wrong in ("", "guessed"):
        status, _, text = await ask(gateway, session, wrong)
        assert status == 403
        assert '"not_your_session"' in text


async def test_where_there_are_no_keys_nobody_is_an_operator(
    redis_server: Server, tmp_path: Path
) -> None:
    async with http_api(redis_server, tmp_path, None) as gateway:
        session, _ = await call(gateway)
        assert (await ask(gateway, session, "operator"))[0] == 403


async def test_what_is_wrong_is_said(gateway: Stack) -> None:
    session, token = await call(gateway)
    assert (await ask(gateway, session, token, "pdf"))[0] == 400
    assert (await ask(gateway, "7", token))[0] == 400
    status, _, text = await ask(gateway, str(uuid.uuid4()), token)
    assert status == 410
    assert '"session_ended"' in text
