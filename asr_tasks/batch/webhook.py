"""What a job's webhook is told, and one try at it.

Signed as https://www.standardwebhooks.com says.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import aiohttp
from standardwebhooks import Webhook
from yarl import URL

from asr_tasks.contracts.job_fields import job_fields
from asr_tasks.contracts.jobs import Job

TRY_SECONDS: Final = 10.0
"""One request, from the look-up of its host to the answer's status."""
_GONE: Final = 410
_AGENT: Final = "asr-stream-tasks webhook"


class Refused(Exception):
    """Whoever is there does not want to be told: not now and not later."""


class Away(Exception):
    """It could not be told now."""


@dataclass(frozen=True, slots=True)
class Notice:
    """What is sent.

    Attributes:
        id: the same for the same news however often it is sent: who hears it twice can tell.
        body: JSON, UTF-8: ``type`` (``job.done`` …), ``timestamp``, ``data`` (the job).
    """

    id: str
    body: str


def notice_of(job: Job, now: datetime) -> Notice:
    """The news of a job that is over."""
    body = {
        "type": f"job.{job.state.value}",
        "timestamp": now.astimezone(UTC).isoformat(),
        "data": job_fields(job),
    }
    return Notice(f"msg_{job.id}_{job.attempt}", json.dumps(body, ensure_ascii=False))


def headers_of(notice: Notice, secret: str, now: datetime) -> dict[str, str]:
    """The headers: a signature over id, time of sending and body.

    Raises:
        ValueError: the secret is not base64.
    """
    moment = now.astimezone(UTC)
    return {
        "Content-Type": "application/json; charset=utf-8",
        "User-Agent": _AGENT,
        "webhook-id": notice.id,
        "webhook-timestamp": str(int(moment.timestamp())),
        "webhook-signature": Webhook(secret).sign(notice.id, moment, notice.body),
    }


async def post(url: str, notice: Notice, secret: str) -> None:
    """Tell it once.

    Raises:
        Refused: it is gone for good.
        Away: it does not answer in time, or not with a 2xx; redirects are not followed.
        ValueError: the secret is not base64.
    """
    headers = headers_of(notice, secret, datetime.now(UTC))
    limits = aiohttp.ClientTimeout(total=TRY_SECONDS)
    try:
        async with (
            aiohttp.ClientSession(timeout=limits, cookie_jar=aiohttp.DummyCookieJar()) as http,
            http.post(
                URL(url), data=notice.body.encode(), headers=headers, allow_redirects=False
            ) as answer,
        ):
            status = answer.status
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
        raise Away(f"{type(error).__name__}: {error}"[:200]) from error
    if status == _GONE:
        raise Refused("status 410: gone")
    if not 200 <= status < 300:
        raise Away(f"status {status}")
