"""The OpenAPI document against the implementation: whatever it allows is answered as it says."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis import checks

from asr_tasks.contracts.jobs import FORMATS
from gateway.http.openapi import document
from tests.servers.choose import Server
from tests.support.audio import noise, wav
from tests.support.eventually import eventually_async
from tests.support.http_api import http_api
from tests.support.memory_jobs import MemoryJobs

pytestmark = pytest.mark.integration

KEY = "operator"
HEADERS = {"Authorization": f"Bearer {KEY}"}
STOP_SECONDS = 30.0
EXCLUDED = [checks.ignored_auth, checks.unsupported_method]
"""The first is tested with the keys; the second would ask every path for a dozen methods."""

schema = schemathesis.openapi.from_dict(document())
# A session that is gone is 410 here; to the check only 404 says "valid, but not there".
schema.config.checks.positive_data_acceptance.expected_statuses = [
    "2xx", "401", "403", "404", "409", "410", "503",
]  # fmt: skip


@pytest.fixture(scope="module")
def address(redis_process: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A gateway in a thread of its own."""
    loop = asyncio.new_event_loop()
    ready: asyncio.Future[str] = loop.create_future()
    stopping = asyncio.Event()

    async def serve(folder: Path) -> None:
        async with http_api(
            redis_process,
            folder,
            MemoryJobs(),
            api_keys=KEY,
            source_schemes="http,https,s3,file",
            target_schemes="http,https,s3,file",
            webhook_secret="whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
            upload_idle_seconds=5.0,
            idle_seconds=5.0,
        ) as gateway:
            ready.set_result(gateway.url)
            await stopping.wait()

    thread = threading.Thread(
        target=loop.run_until_complete,
        args=(serve(tmp_path_factory.mktemp("uploads")),),
        name="gateway",
    )
    thread.start()
    try:
        yield asyncio.run_coroutine_threadsafe(_value(ready), loop).result(STOP_SECONDS)
    finally:
        loop.call_soon_threadsafe(stopping.set)
        thread.join(STOP_SECONDS)
        assert not thread.is_alive()
        loop.close()


async def _value(future: asyncio.Future[str]) -> str:
    return await future


@schema.parametrize()
@settings(
    max_examples=5,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
    database=None,
)
def test_every_operation_keeps_its_word(case: schemathesis.Case, address: str) -> None:
    excluded = [*EXCLUDED]
    if (case.media_type or "").startswith("multipart/"):
        # All fields of a form are text: `false` in place of a string is the string "false".
        excluded.append(checks.negative_data_rejection)
    case.call_and_validate(base_url=address, headers=HEADERS, timeout=30, excluded_checks=excluded)


def test_what_is_there_is_answered_as_described(address: str) -> None:
    """What is made up above is never there; this is."""
    job, session = asyncio.run(_make(address))
    for there, paths in {
        job: ("/v1/jobs/{id}", "/v1/jobs/{id}/transcript"),
        session: ("/v1/sessions/{id}", "/v1/sessions/{id}/transcript"),
    }.items():
        for path in paths:
            for kind in FORMATS if path.endswith("transcript") else ("",):
                case = schema[path]["GET"].Case(
                    path_parameters={"id": there}, query={"format": kind} if kind else {}
                )
                answer = case.call_and_validate(
                    base_url=address, headers=HEADERS, excluded_checks=EXCLUDED
                )
                assert answer.status_code == 200, (path, kind)


async def _make(address: str) -> tuple[str, str]:
    """A job and a session that are done."""
    form = aiohttp.FormData()
    form.add_field("file", wav(noise(3)), filename="call.wav")
    async with aiohttp.ClientSession(address, headers=HEADERS) as http:
        async with http.post("/v1/jobs", data=form) as answer:
            job = (await answer.json())["id"]
        async with http.put("/client/dynamic/recognize", data=wav(noise(3))) as answer:
            session = (await answer.json())["id"]

        async def done() -> bool:
            async with http.get(f"/v1/jobs/{job}") as answer:
                return bool((await answer.json())["state"] == "done")

        await eventually_async(done, within=STOP_SECONDS)
    return job, session


async def test_people_can_read_it_too(address: str) -> None:
    async with aiohttp.ClientSession() as http:
        async with http.get(f"{address}/openapi.json") as answer:
            assert await answer.json() == document()
        async with http.get(f"{address}/docs") as answer:
            page = await answer.text()
    assert all(path in page for path in document()["paths"])
    assert "http://" not in page
    assert "https://" not in page
    assert "<script" not in page
