"""Recordings over HTTP with everything real behind it: RabbitMQ, Redis, a batch worker."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import openai
import pytest
import redis
from aiohttp import web
from standardwebhooks import Webhook

from asr_tasks.contracts.errors import BackendDown
from asr_tasks.contracts.jobs import JobRequest
from gateway.launch import Launcher
from tests.servers.choose import Server
from tests.servers.ports import free_port
from tests.support.audio import noise, wav
from tests.support.cluster import Cluster, Component, running
from tests.support.commands import asr
from tests.support.eventually import eventually_async
from tests.support.http_api import left

pytestmark = pytest.mark.integration

SECRET = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
WITHIN = 90.0
PCM = noise(4)


@dataclass
class World:
    gateway: Component
    cluster: Cluster
    uploads: Path

    @property
    def url(self) -> str:
        return self.gateway.url


@pytest.fixture(scope="module")
def world(
    rabbitmq: Server, redis_process: Server, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("http")
    (folder / "catalogue.toml").write_text('[models.echo]\nkind = "echo"\nlanguage = "en"\n')
    with redis.Redis.from_url(redis_process.url) as client:
        client.flushdb()
    with running(Cluster(rabbitmq.url, redis_process.url, folder)) as cluster:
        cluster.environment |= {
            "ASR_CATALOGUE": str(folder / "catalogue.toml"),
            "ASR_DEFAULT_MODEL": "echo",
            "ASR_WEBHOOK_SECRET": SECRET,
            "ASR_CARETAKER_SECONDS": "0.5",
            "ASR_BATCH_STALL_SECONDS": "2",
        }
        uploads = folder / "uploads"
        gateway = cluster.gateway(
            "gateway-http", ASR_UPLOADS=str(uploads), ASR_UPLOAD_ORPHAN_SECONDS="3"
        )
        # Whose first job is there before any batch worker: see the first test.
        yield World(gateway, cluster, uploads)


async def ask(world: World, method: str, path: str, **more: Any) -> Any:
    async with (
        aiohttp.ClientSession(world.url) as http,
        http.request(method, path, **more) as answer,
    ):
        assert answer.status < 300, await answer.text()
        return await answer.json()


async def up(world: World) -> None:
    async def healthy() -> bool:
        with contextlib.suppress(aiohttp.ClientError, OSError):
            await ask(world, "GET", "/healthz")
            return True
        return False

    await eventually_async(healthy, within=WITHIN, every=0.1)


def form(**fields: str) -> aiohttp.FormData:
    made = aiohttp.FormData()
    for name, value in fields.items():
        made.add_field(name, value)
    made.add_field("file", wav(PCM), filename="call.wav")
    return made


async def finished(world: World, job: str) -> Any:
    async def over() -> Any:
        found = await ask(world, "GET", f"/v1/jobs/{job}")
        return found if found["state"] in ("done", "failed", "cancelled") else None

    return await eventually_async(over, within=WITHIN, every=0.1)


async def test_a_job_that_is_there_before_the_first_batch_worker(world: World) -> None:
    await up(world)
    job = await ask(world, "POST", "/v1/jobs", data=form())
    assert job["state"] == "queued"
    world.cluster.batch_worker("batch-http", "echo")
    found = await finished(world, job["id"])
    assert found["state"] == "done", found
    assert found["progress"]["heard"] == found["progress"]["duration"] == 4.0

    async def swept() -> bool:
        return left(world.uploads) == []

    await eventually_async(swept, within=30.0, every=0.2)


async def test_the_openai_package(world: World) -> None:
    async with openai.AsyncOpenAI(base_url=f"{world.url}/v1", api_key="none") as client:
        heard = await client.audio.transcriptions.create(
            file=("call.wav", wav(PCM)),
            model="echo",
            response_format="verbose_json",
            timestamp_granularities=["word", "segment"],
        )
        assert heard.text
        assert heard.duration == 4.0
        assert heard.language == "en"
        again = await client.audio.transcriptions.create(
            file=("call.wav", wav(PCM)), model="echo", stream=True
        )
        events = [event async for event in again]
    assert events[-1].type == "transcript.text.done"
    assert events[-1].text == heard.text
    assert "".join(e.delta for e in events[:-1] if e.type == "transcript.text.delta") == heard.text
    # The last one is deleted after its stream was told to its end.
    await eventually_async(lambda: left(world.uploads) == [], within=WITHIN)


@dataclass
class Told:
    """A webhook that answers with these statuses, then with 204."""

    statuses: list[int]
    url: str = ""
    requests: list[tuple[dict[str, str], bytes]] = field(default_factory=list)


@contextlib.asynccontextmanager
async def listening(told: Told) -> AsyncIterator[Told]:
    async def hear(request: web.Request) -> web.Response:
        told.requests.append((dict(request.headers), await request.read()))
        return web.Response(status=told.statuses.pop(0) if told.statuses else 204)

    app = web.Application()
    app.router.add_post("/told", hear)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    told.url = f"http://127.0.0.1:{runner.addresses[0][1]}/told"
    try:
        yield told
    finally:
        await runner.cleanup()


async def test_a_webhook_is_told_and_told_again_until_it_listens(world: World) -> None:
    async with listening(Told([503])) as told:
        job = await ask(world, "POST", "/v1/jobs", data=form(webhook=told.url))
        await eventually_async(lambda: len(told.requests) == 2, within=WITHIN, every=0.1)
    news = [Webhook(SECRET).verify(body, headers) for headers, body in told.requests]
    assert [one["type"] for one in news] == ["job.done"] * 2
    assert [one["data"]["id"] for one in news] == [job["id"]] * 2
    assert len({headers["webhook-id"] for headers, _ in told.requests}) == 1


async def test_a_webhook_is_told_of_a_failure(world: World) -> None:
    async with listening(Told([])) as told:
        made = aiohttp.FormData()
        made.add_field("webhook", told.url)
        made.add_field("file", b"no audio", filename="x.wav")
        job = await ask(world, "POST", "/v1/jobs", data=made)
        await eventually_async(lambda: bool(told.requests), within=WITHIN, every=0.1)
    ((headers, body),) = told.requests
    news = Webhook(SECRET).verify(body, headers)
    assert (news["type"], news["data"]["id"]) == ("job.failed", job["id"])
    assert news["data"]["error"]["code"] == "bad_audio"


async def test_a_launcher_says_when_the_broker_is_away() -> None:
    launcher = Launcher("amqp://guest:guest@127.0.0.1:9//", "gateway-x", 10)
    launcher.start()
    launching = asyncio.create_task(launcher.launch("job", JobRequest("/a.wav")))
    await asyncio.sleep(0)
    await launcher.close()
    with pytest.raises(BackendDown):
        await launching


async def test_the_system_in_one_process_takes_recordings_too(tmp_path: Path) -> None:
    """`asr up`: no servers, no batch worker."""
    catalogue = tmp_path / "catalogue.toml"
    catalogue.write_text('[models.echo]\nkind = "echo"\nlanguage = "en"\n')
    url = f"http://127.0.0.1:{(port := free_port())}"
    arguments = ("up", "--port", str(port), "--allocator-port", "0", "--model", "echo")
    with asr(tmp_path / "log", *arguments, "--catalogue", catalogue) as system:
        await asyncio.to_thread(system.until, "ready", within=120)
        async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="none") as client:
            heard = await client.audio.transcriptions.create(
                file=("call.wav", wav(PCM)), model="echo"
            )
        assert heard.text
        async with aiohttp.ClientSession(url) as http:
            async with http.post("/v1/jobs", data=form(webhook="https://x/told")) as answer:
                assert answer.status == 400, "nobody would tell it"
            async with http.put("/client/dynamic/recognize", data=wav(PCM)) as answer:
                assert (await answer.json())["status"] == 0
            async with http.get("/v1/jobs") as answer:
                assert [job["state"] for job in (await answer.json())["data"]] == ["done"]
