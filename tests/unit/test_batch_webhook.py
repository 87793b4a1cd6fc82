"""What a webhook is told, and what its answers mean."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from aiohttp import web
from standardwebhooks import Webhook, WebhookVerificationError

from asr_tasks.batch.webhook import Away, Refused, headers_of, notice_of, post
from asr_tasks.contracts.jobs import Job, JobRequest, JobState

SECRET = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
NOW = datetime.now(UTC)
JOB = Job(
    "6f1c1a52-8a43-4d39-b6b8-5f1f0a3f3a11",
    JobRequest("https://user:secret@example.org/a.wav?signature=x", name="Gespräch"),
    JobState.DONE,
    duration=10.0,
    heard=10.0,
    elapsed=0.5,
)


@dataclass
class Receiver:
    """Who is told; answers with ``status``."""

    url: str = ""
    status: int = 204
    told: list[tuple[dict[str, str], bytes]] = field(default_factory=list)


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    made = Receiver()

    async def tell(request: web.Request) -> web.Response:
        made.told.append((dict(request.headers), await request.read()))
        return web.Response(status=made.status, headers={"Location": "/elsewhere"})

    app = web.Application()
    app.router.add_post("/told", tell)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}/told"
    yield made
    await runner.cleanup()


async def test_whoever_has_the_secret_can_check_what_came(receiver: Receiver) -> None:
    await post(receiver.url, notice_of(JOB, NOW), SECRET)
    ((headers, body),) = receiver.told
    told = Webhook(SECRET).verify(body, headers)
    assert told["type"] == "job.done"
    assert told["data"]["id"] == JOB.id
    assert told["data"]["name"] == "Gespräch"
    assert told["data"]["progress"]["speed"] == 20.0


async def test_whoever_changes_it_is_found_out(receiver: Receiver) -> None:
    await post(receiver.url, notice_of(JOB, NOW), SECRET)
    ((headers, body),) = receiver.told
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(body.replace(b"job.done", b"job.failed"), headers)
    with pytest.raises(WebhookVerificationError):
        Webhook("whsec_AAAA").verify(body, headers)


def test_what_was_sent_long_ago_is_not_believed() -> None:
    notice = notice_of(JOB, NOW)
    old = headers_of(notice, SECRET, NOW - timedelta(hours=1))
    with pytest.raises(WebhookVerificationError, match="old"):
        Webhook(SECRET).verify(notice.body, old)


def test_the_same_news_has_the_same_id_and_another_attempt_another() -> None:
    later = NOW + timedelta(minutes=7)
    assert notice_of(JOB, NOW).id == notice_of(JOB, later).id
    again = Job(JOB.id, JOB.request, JobState.FAILED, attempt=2)
    assert notice_of(again, NOW).id != notice_of(JOB, NOW).id


def test_secrets_in_addresses_are_not_told() -> None:
    body = notice_of(JOB, NOW).body
    assert "secret" not in body
    assert "signature" not in body
    assert json.loads(body)["data"]["source"] == "https://example.org/a.wav"


@pytest.mark.parametrize("status", [301, 400, 404, 429, 500, 503])
async def test_what_is_no_success_is_tried_again(receiver: Receiver, status: int) -> None:
    receiver.status = status
    with pytest.raises(Away, match=str(status)):
        await post(receiver.url, notice_of(JOB, NOW), SECRET)
    assert len(receiver.told) == 1, "a redirect is not followed"


async def test_gone_is_gone(receiver: Receiver) -> None:
    receiver.status = 410
    with pytest.raises(Refused):
        await post(receiver.url, notice_of(JOB, NOW), SECRET)


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/told", "http://"])
async def test_nobody_there_is_tried_again(url: str) -> None:
    with pytest.raises(Away):
        await post(url, notice_of(JOB, NOW), SECRET)
