"""The jobs behind a gateway as the command line uses them: over HTTP, recordings uploaded."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from asr_cli.transcribe import gateway
from asr_cli.transcribe.gateway import GatewayJobs
from asr_tasks.contracts.errors import BackendDown, NotAuthorised, UnknownModel
from asr_tasks.contracts.jobs import Job, JobRequest, JobState
from tests.servers.choose import Server
from tests.servers.ports import free_port
from tests.support.eventually import eventually_async
from tests.support.http_api import http_api
from tests.support.memory_jobs import MemoryJobs
from tests.support.recordings import recording

pytestmark = pytest.mark.integration

KEY = "secret-key"
JOB = "5f0c1c9e-0000-4000-8000-000000000001"


@pytest.fixture
async def store(redis_server: Server, tmp_path: Path) -> AsyncIterator[tuple[MemoryJobs, str]]:
    jobs = MemoryJobs()
    async with http_api(redis_server, tmp_path / "uploads", jobs, api_keys=KEY) as made:
        yield jobs, made.url


@pytest.fixture
async def there(store: tuple[MemoryJobs, str]) -> AsyncIterator[GatewayJobs]:
    async with gateway.connected(store[1], KEY) as jobs:
        yield jobs


async def over(jobs: GatewayJobs, job: str) -> Job:
    async def ended() -> Job | None:
        found = await jobs.get(job)
        return found if found is not None and found.state.over else None

    found = await eventually_async(ended, within=30)
    assert found is not None
    return found


async def test_a_recording_is_uploaded_heard_and_read_back(
    there: GatewayJobs, store: tuple[MemoryJobs, str], tmp_path: Path
) -> None:
    path = recording(tmp_path / "call.wav", 6)
    assert await there.get(JOB) is None
    made = await there.create(JobRequest(str(path), name="call.wav"), JOB)
    assert (made.id, made.request.name) == (JOB, "call.wav")
    job = await over(there, JOB)
    assert (job.state, job.duration, job.heard) == (JobState.DONE, 6, 6)
    transcript = await there.transcript(JOB)
    assert transcript == await store[0].transcript(JOB)
    assert transcript is not None and transcript.text
    path.unlink()
    assert (await there.create(JobRequest(str(path)), JOB)).state is JobState.DONE  # not again


async def test_jobs_are_listed_in_pages_cancelled_and_retried(
    there: GatewayJobs,
    store: tuple[MemoryJobs, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(gateway, "PAGE", 2)
    store[0].workers = False
    path = recording(tmp_path / "call.wav", 1)
    ids = [f"{JOB[:-1]}{number}" for number in range(5)]
    for one in ids:
        await there.create(JobRequest(str(path)), one)
    assert [job.id for job in await there.recent(4)] == ids[:0:-1]
    cancelled = await there.cancel(ids[0])
    assert cancelled is not None and cancelled.state is JobState.CANCELLED
    assert [job.id for job in await there.recent(9, JobState.CANCELLED)] == [ids[0]]
    again = await there.retry(ids[0])
    assert again is not None and (again.state, again.attempt) == (JobState.QUEUED, 2)
    assert await there.transcript(ids[0]) is None


async def test_what_the_gateway_refuses_is_said_in_its_words(
    there: GatewayJobs, store: tuple[MemoryJobs, str], tmp_path: Path
) -> None:
    path = recording(tmp_path / "call.wav", 1)
    with pytest.raises(UnknownModel):
        await there.create(JobRequest(str(path), model="klingon"), JOB)
    async with gateway.connected(store[1], "wrong") as stranger:
        with pytest.raises(NotAuthorised):
            await stranger.recent()
    async with gateway.connected(f"http://127.0.0.1:{free_port()}") as nobody:
        with pytest.raises(BackendDown, match="no gateway answers"):
            await nobody.recent()
