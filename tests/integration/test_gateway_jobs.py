"""``/v1/jobs``: recordings that are transcribed while nobody waits."""

from __future__ import annotations

import asyncio
import resource
import shutil
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import fsspec
import pytest
from prometheus_client import CollectorRegistry

from asr_tasks.contracts.errors import RecogniserFailed
from asr_tasks.contracts.jobs import FORMATS, JobState
from gateway.http.sweep import Sweep
from gateway.http.uploads import Uploads
from gateway.metrics import Metrics
from gateway.settings import GatewaySettings
from tests.servers.choose import Server
from tests.support.audio import noise, wav
from tests.support.eventually import eventually_async
from tests.support.fake_worker import transcript
from tests.support.gateway_stack import Stack
from tests.support.http_api import http_api, left
from tests.support.memory_jobs import MemoryJobs

pytestmark = pytest.mark.integration

PCM = noise(5)
SECRET = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"


@pytest.fixture
def jobs() -> MemoryJobs:
    return MemoryJobs()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "uploads"
    made.mkdir()
    return made


@pytest.fixture
async def gateway(redis_server: Server, folder: Path, jobs: MemoryJobs) -> AsyncIterator[Stack]:
    async with http_api(
        redis_server,
        folder,
        jobs,
        webhook_secret=SECRET,
        source_schemes="https,file",
        max_upload_bytes=1 << 20,
    ) as made:
        yield made


async def ask(gateway: Stack, method: str, path: str, **more: Any) -> tuple[int, Any]:
    async with gateway.http.request(method, f"{gateway.url}{path}", **more) as answer:
        assert answer.content_type == "application/json"
        return answer.status, await answer.json()


def form(**fields: str) -> aiohttp.FormData:
    made = aiohttp.FormData(quote_fields=False)
    for name, value in fields.items():
        made.add_field(name, value)
    made.add_field("file", wav(PCM), filename="Call 7.WAV")
    return made


async def test_a_job_from_its_source_to_its_transcript(gateway: Stack, tmp_path: Path) -> None:
    recording = tmp_path / "call.wav"
    recording.write_bytes(wav(PCM))
    asked = {"source": str(recording), "model": "english", "language": "en"}
    status, job = await ask(gateway, "POST", "/v1/jobs", json=asked)
    assert status == 201
    assert (job["name"], job["model"], job["attempt"]) == ("call.wav", "english", 1)
    assert job["source"] == "", "paths of our machines are nobody's business"

    async def done() -> Any:
        _, found = await ask(gateway, "GET", f"/v1/jobs/{job['id']}")
        return found if found["state"] == "done" else None

    found = await eventually_async(done)
    assert found["progress"] == {
        "duration": 5.0,
        "heard": 5.0,
        "pieces": 3,
        "done": 3,
        "cut": True,
        "elapsed": 0.3,
        "speed": 16.67,
        "remaining": None,
    }
    _, said = await ask(gateway, "GET", f"/v1/jobs/{job['id']}/transcript")
    assert [one["text"] for one in said["utterances"]] == transcript(PCM)
    assert recording.exists(), "a source that was named is not ours to delete"


@pytest.mark.parametrize("kind", FORMATS)
async def test_a_transcript_in_every_format(gateway: Stack, kind: str) -> None:
    _, job = await ask(gateway, "POST", "/v1/jobs", data=form())
    url = f"{gateway.url}/v1/jobs/{job['id']}/transcript?format={kind}"

    async def text() -> str:
        async with gateway.http.get(url) as answer:
            assert answer.status == 200
            return await answer.text()

    said = await eventually_async(text)
    assert all(word in said for word in transcript(PCM))


async def test_progress_while_it_runs(gateway: Stack, jobs: MemoryJobs) -> None:
    jobs.pace = asyncio.Semaphore(1)
    _, job = await ask(gateway, "POST", "/v1/jobs", data=form())

    async def one_piece() -> Any:
        _, found = await ask(gateway, "GET", f"/v1/jobs/{job['id']}")
        return found if found["progress"]["done"] == 1 else None

    progress = (await eventually_async(one_piece))["progress"]
    assert (progress["heard"], progress["pieces"]) == (2.0, 3)
    assert progress["speed"] == 20.0
    assert progress["remaining"] == 0.1 or progress["remaining"] == 0.2
    status, answer = await ask(gateway, "GET", f"/v1/jobs/{job['id']}/transcript")
    assert (status, answer["error"]["code"]) == (409, "no_transcript")
    assert "running" in answer["error"]["message"]


async def test_an_upload_is_kept_until_its_job_is_done(
    gateway: Stack, jobs: MemoryJobs, folder: Path
) -> None:
    jobs.fault = RecogniserFailed("given up at 00:10")
    _, job = await ask(gateway, "POST", "/v1/jobs", data=form(model="english"))
    assert job["name"] == "Call 7.WAV"

    async def failed() -> Any:
        _, found = await ask(gateway, "GET", f"/v1/jobs/{job['id']}")
        return found["error"] if found["state"] == "failed" else None

    assert await eventually_async(failed) == {
        "code": "recogniser_failed",
        "message": "given up at 00:10",
    }
    await swept(folder, jobs)
    assert left(folder) == [f"{job['id']}.wav"], "it may be retried"
    jobs.fault = None
    status, again = await ask(gateway, "POST", f"/v1/jobs/{job['id']}/retry")
    assert (status, again["attempt"]) == (200, 2)
    await eventually_async(lambda: jobs.jobs[job["id"]].state is JobState.DONE)
    await swept(folder, jobs)
    assert left(folder) == []


async def test_cancelling(gateway: Stack, jobs: MemoryJobs) -> None:
    jobs.pace = asyncio.Semaphore(0)
    for method, path in (("POST", "/cancel"), ("DELETE", "")):
        _, job = await ask(gateway, "POST", "/v1/jobs", data=form())
        status, answer = await ask(gateway, method, f"/v1/jobs/{job['id']}{path}")
        assert (status, answer["state"]) == (200, "cancelled")


async def test_pages(gateway: Stack, jobs: MemoryJobs) -> None:
    jobs.workers = False
    made = []
    for number in range(5):
        asked = {"source": f"https://example.org/{number}.wav?token=secret"}
        _, job = await ask(gateway, "POST", "/v1/jobs", json=asked)
        made.append(job["id"])
        assert job["source"] == f"https://example.org/{number}.wav"
    await jobs.cancel(made[0])
    seen: list[str] = []
    query: dict[str, str] = {"limit": "2", "state": "queued"}
    while True:
        _, page = await ask(gateway, "GET", "/v1/jobs", params=query)
        seen += [job["id"] for job in page["data"]]
        if not page["has_more"]:
            break
        query["after"] = page["last_id"]
    assert seen == list(reversed(made[1:]))


async def test_the_same_id_makes_one_job(gateway: Stack, jobs: MemoryJobs, folder: Path) -> None:
    jobs.pace = asyncio.Semaphore(0)
    own = str(uuid.uuid4())
    first = await ask(gateway, "POST", "/v1/jobs", data=form(id=own))
    second = await ask(gateway, "POST", "/v1/jobs", data=form(id=own))
    assert first[0] == second[0] == 201
    assert first[1]["id"] == second[1]["id"] == own
    assert list(jobs.jobs) == [own]
    assert left(folder) == [f"{own}.wav"]


BAD: list[tuple[dict[str, Any], int, str]] = [
    ({}, 400, "source"),
    ({"source": "ftp://example.org/a.wav"}, 400, "source"),
    ({"source": "http://example.org/a.wav"}, 400, "source"),
    ({"source": "https:///a.wav"}, 400, "source"),
    ({"source": "https://x/a.zip::file:///etc/passwd"}, 400, "source"),
    ({"source": "https://x/a.wav", "target": "s3://b/a.txt"}, 400, "target"),
    ({"source": "https://x/a.wav", "webhook": "ftp://x/"}, 400, "webhook"),
    ({"source": "https://x/a.wav", "format": "pdf"}, 400, "format"),
    ({"source": "https://x/a.wav", "channels": "left"}, 400, "channels"),
    ({"source": "https://x/a.wav", "colour": "red"}, 400, "colour"),
    ({"source": "https://x/a.wav", "id": "7"}, 400, "id"),
    ({"source": "https://x/a.wav", "name": "x\n"}, 400, "name"),
    ({"source": 7}, 400, "source"),
    ({"source": "https://x/a.wav", "model": "klingon"}, 404, ""),
]


@pytest.mark.parametrize(("asked", "status", "param"), BAD)
async def test_what_is_wrong_is_named(
    gateway: Stack, jobs: MemoryJobs, asked: dict[str, Any], status: int, param: str
) -> None:
    told, answer = await ask(gateway, "POST", "/v1/jobs", json=asked)
    assert (told, answer["error"]["param"]) == (status, param or None)
    assert not jobs.jobs


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff", b"[" * 50_000, bytes(100_000)])
async def test_bodies_that_are_no_json(gateway: Stack, body: bytes) -> None:
    status, answer = await ask(gateway, "POST", "/v1/jobs", data=body)
    assert status == (413 if len(body) > 65_536 else 400)
    assert answer["error"]["message"]


async def test_jobs_that_are_not_there(gateway: Stack) -> None:
    for job in (str(uuid.uuid4()), "7", "x" * 500):
        for method, path in (
            ("GET", ""),
            ("DELETE", ""),
            ("POST", "/cancel"),
            ("POST", "/retry"),
            ("GET", "/transcript"),
        ):
            status, answer = await ask(gateway, method, f"/v1/jobs/{job}{path}")
            assert (status, answer["error"]["code"]) == (404, "unknown_job")
    assert (await ask(gateway, "GET", "/v1/nothing"))[0] == 404
    assert (await ask(gateway, "PUT", "/v1/jobs"))[0] == 405


async def test_webhooks_need_a_secret(redis_server: Server, folder: Path, jobs: MemoryJobs) -> None:
    asked = {"source": "https://x/a.wav", "webhook": "https://example.org/told"}
    async with http_api(redis_server, folder, jobs) as gateway:
        status, answer = await ask(gateway, "POST", "/v1/jobs", json=asked)
    assert (status, answer["error"]["param"]) == (400, "webhook")
    async with http_api(redis_server, folder, jobs, webhook_secret=SECRET) as gateway:
        status, job = await ask(gateway, "POST", "/v1/jobs", json=asked)
    assert (status, job["webhook"]) == (201, "https://example.org/told")


async def test_keys_guard_the_jobs(redis_server: Server, folder: Path, jobs: MemoryJobs) -> None:
    async with http_api(redis_server, folder, jobs, api_keys="right") as gateway:
        assert (await ask(gateway, "GET", "/v1/jobs"))[0] == 401
        assert (await ask(gateway, "POST", "/v1/jobs", data=form()))[0] == 401
        headers = {"Authorization": "Bearer right"}
        assert (await ask(gateway, "GET", "/v1/jobs", headers=headers))[0] == 200
    assert left(folder) == []


async def swept(folder: Path, jobs: MemoryJobs, *moments: float) -> None:
    """Look at the uploads at these moments of a clock."""
    settings = GatewaySettings(uploads=str(folder))
    uploads = _uploads(settings)
    sweep = Sweep(uploads, jobs, orphan_seconds=60.0, keep_seconds=600.0)
    try:
        for moment in moments or (0.0,):
            await sweep.look(lambda moment=moment: moment)  # type: ignore[misc]
    finally:
        uploads.close()


def _uploads(settings: GatewaySettings) -> Uploads:
    return Uploads(settings, Metrics(CollectorRegistry()))


async def test_what_a_gateway_that_died_left_is_deleted(folder: Path, jobs: MemoryJobs) -> None:
    part, orphan = f"{uuid.uuid4()}.part", f"{uuid.uuid4()}.wav"
    for name in (part, orphan, "notes.txt"):
        (folder / name).write_bytes(b"x")
    await swept(folder, jobs, 0.0, 59.0)
    assert left(folder) == sorted([part, orphan, "notes.txt"]), "it may still be alive"
    await swept(folder, jobs, 0.0, 61.0)
    assert left(folder) == ["notes.txt"], "what is not ours stays"


async def test_an_upload_is_kept_for_another_try_but_not_for_ever(
    gateway: Stack, jobs: MemoryJobs, folder: Path
) -> None:
    jobs.pace = asyncio.Semaphore(0)
    _, job = await ask(gateway, "POST", "/v1/jobs", data=form())
    await swept(folder, jobs, 0.0, 9999.0)
    assert left(folder) == [f"{job['id']}.wav"], "its job still runs"
    await jobs.cancel(job["id"])
    await swept(folder, jobs, 0.0, 599.0)
    assert left(folder) == [f"{job['id']}.wav"]
    await swept(folder, jobs, 0.0, 601.0)
    assert left(folder) == []


async def test_a_large_upload_is_never_in_memory(redis_server: Server, folder: Path) -> None:
    size, piece = 160 << 20, bytes(1 << 20)

    async def large() -> AsyncIterator[bytes]:
        yield b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n'
        for _ in range(size // len(piece)):
            yield piece
        yield b"\r\n--x--\r\n"

    async with http_api(redis_server, folder, MemoryJobs(workers=False)) as gateway:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        kind = {"Content-Type": "multipart/form-data; boundary=x"}
        status, job = await ask(gateway, "POST", "/v1/jobs", data=large(), headers=kind)
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) << 10
    assert status == 201
    assert (folder / f"{job['id']}.wav").stat().st_size == size
    assert grown < size // 4


async def test_a_disk_that_takes_nothing(gateway: Stack, folder: Path) -> None:
    shutil.rmtree(folder)
    status, answer = await ask(gateway, "POST", "/v1/jobs", data=form())
    assert (status, answer["error"]["code"]) == (503, "overloaded")


async def test_an_upload_that_still_grows_is_not_an_orphan(folder: Path, jobs: MemoryJobs) -> None:
    path = folder / f"{uuid.uuid4()}.part"
    path.write_bytes(b"x")
    settings = GatewaySettings(uploads=str(folder))
    uploads = _uploads(settings)
    sweep = Sweep(uploads, jobs, orphan_seconds=60.0, keep_seconds=600.0)
    try:
        for moment in (0.0, 50.0, 100.0, 150.0):
            path.write_bytes(path.read_bytes() + b"x")
            await sweep.look(lambda moment=moment: moment)  # type: ignore[misc]
            assert path.exists()
        await sweep.look(lambda: 211.0)
        assert not path.exists()
    finally:
        uploads.close()


async def test_uploads_in_a_bucket(redis_server: Server, jobs: MemoryJobs) -> None:
    """fsspec's own memory in place of s3; the recording itself is somewhere else for the test."""
    place = f"memory://uploads-{uuid.uuid4()}"
    jobs.workers = False
    async with http_api(redis_server, place, jobs) as gateway:
        _, job = await ask(gateway, "POST", "/v1/jobs", data=form())
        (kept,) = jobs.jobs.values()
        assert kept.request.source == f"{place}/{job['id']}.wav"
        assert job["source"] == kept.request.source
    settings = GatewaySettings(uploads=place)
    uploads = _uploads(settings)
    try:
        assert fsspec.open(kept.request.source).open().read() == wav(PCM)
        assert list(uploads.place.listed()) == [f"{job['id']}.wav"]
        jobs.jobs.clear()
        sweep = Sweep(uploads, jobs, orphan_seconds=60.0, keep_seconds=600.0)
        for moment in (0.0, 61.0):
            await sweep.look(lambda moment=moment: moment)  # type: ignore[misc]
        assert uploads.place.listed() == {}
        assert not [name for name in uploads.folder.listed() if job["id"] in name]
    finally:
        uploads.close()


def test_uploads_that_cannot_be_kept_are_said_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for place in (str(tmp_path / "file" / "x"), "nonsense://x"):
        with pytest.raises((OSError, ValueError)):
            _uploads(GatewaySettings(uploads=place))
