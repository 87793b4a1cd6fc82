"""``/v1/audio/transcriptions`` and ``/v1/models``, by the ``openai`` package as it is."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import openai
import pytest

from asr_tasks.contracts.errors import RecogniserFailed
from asr_tasks.contracts.jobs import JobState
from tests.servers.choose import Server
from tests.support.audio import noise, wav
from tests.support.eventually import eventually_async
from tests.support.fake_worker import transcript
from tests.support.gateway_stack import Stack
from tests.support.http_api import http_api, left
from tests.support.memory_jobs import MemoryJobs

pytestmark = pytest.mark.integration

PCM = noise(5)
TEXT = " ".join(transcript(PCM))


@pytest.fixture
def jobs() -> MemoryJobs:
    return MemoryJobs()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "uploads"


@pytest.fixture
async def gateway(redis_server: Server, folder: Path, jobs: MemoryJobs) -> AsyncIterator[Stack]:
    async with http_api(
        redis_server, folder, jobs, max_upload_bytes=1 << 20, max_uploads=3, alive_seconds=0.2
    ) as made:
        yield made


@pytest.fixture
async def client(gateway: Stack) -> AsyncIterator[openai.AsyncOpenAI]:
    url = f"{gateway.url}/v1"
    async with openai.AsyncOpenAI(base_url=url, api_key="none", max_retries=0) as made:
        yield made


def recording(pcm: bytes = PCM, name: str = "call.wav") -> tuple[str, bytes]:
    return name, wav(pcm)


async def test_the_models(client: openai.AsyncOpenAI) -> None:
    assert [model.id async for model in client.models.list()] == ["english"]
    one = await client.models.retrieve("english")
    assert (one.id, one.object) == ("english", "model")
    with pytest.raises(openai.NotFoundError) as caught:
        await client.models.retrieve("klingon")
    assert caught.value.code == "unknown_model"


async def test_json_is_the_text(client: openai.AsyncOpenAI, jobs: MemoryJobs, folder: Path) -> None:
    heard = await client.audio.transcriptions.create(file=recording(), model="english")
    assert heard.text == TEXT
    assert heard.usage is not None
    assert heard.usage.type == "duration"
    assert heard.usage.seconds == 5
    (job,) = jobs.jobs.values()
    assert job.request.name == "call.wav"
    assert left(folder) == []


async def test_text_is_the_text_alone(client: openai.AsyncOpenAI) -> None:
    heard = await client.audio.transcriptions.create(
        file=recording(), model="english", response_format="text"
    )
    assert heard.split() == TEXT.split()


@pytest.mark.parametrize(("kind", "mark"), [("srt", "1\n00:00:00,000 --> "), ("vtt", "WEBVTT")])
async def test_captions(client: openai.AsyncOpenAI, kind: Any, mark: str) -> None:
    heard = await client.audio.transcriptions.create(
        file=recording(), model="english", response_format=kind
    )
    assert heard.startswith(mark)
    assert all(word in heard for word in TEXT.split())


async def test_verbose_json_has_segments_unless_told_otherwise(client: openai.AsyncOpenAI) -> None:
    heard = await client.audio.transcriptions.create(
        file=recording(), model="english", response_format="verbose_json"
    )
    assert (heard.text, heard.duration, heard.language) == (TEXT, 5.0, "en")
    assert heard.words is None
    assert heard.segments is not None
    assert [segment.text for segment in heard.segments] == TEXT.split()
    assert [(segment.start, segment.end) for segment in heard.segments] == [(0, 2), (2, 4), (4, 5)]
    assert all(-1 < segment.avg_logprob < 0 for segment in heard.segments)


async def test_verbose_json_with_words(client: openai.AsyncOpenAI) -> None:
    heard = await client.audio.transcriptions.create(
        file=recording(),
        model="english",
        response_format="verbose_json",
        timestamp_granularities=["word"],
        language="en",
        prompt="a call",
        temperature=0.2,
    )
    assert heard.segments is None
    assert heard.words is not None
    assert [(word.word, word.start, word.end) for word in heard.words] == list(
        zip(TEXT.split(), (0, 2, 4), (2, 4, 5), strict=True)
    )


async def test_a_stream_tells_text_as_it_becomes_known(
    client: openai.AsyncOpenAI, jobs: MemoryJobs, folder: Path
) -> None:
    jobs.pace = asyncio.Semaphore(0)
    events = await client.audio.transcriptions.create(
        file=recording(), model="english", stream=True
    )
    deltas: list[str] = []
    jobs.pace.release()
    async for event in events:
        if event.type == "transcript.text.delta":
            deltas.append(event.delta)
            jobs.pace.release()  # the next piece is recognised once this one was told
        else:
            assert event.type == "transcript.text.done"
            assert event.text == TEXT
    assert len(deltas) == 3
    assert "".join(deltas) == TEXT
    await eventually_async(lambda: left(folder) == [])


async def test_a_stream_that_fails_tells_it(client: openai.AsyncOpenAI, jobs: MemoryJobs) -> None:
    jobs.pace = asyncio.Semaphore(1)
    events = await client.audio.transcriptions.create(
        file=recording(), model="english", stream=True
    )
    with pytest.raises(openai.APIError, match="cancelled"):
        async for event in events:
            assert event.type == "transcript.text.delta"
            await jobs.cancel(next(iter(jobs.jobs)))


async def test_a_stream_shows_signs_of_life(gateway: Stack, jobs: MemoryJobs) -> None:
    jobs.pace = asyncio.Semaphore(0)
    async with gateway.http.post(
        f"{gateway.url}/v1/audio/transcriptions", data=form(stream="true")
    ) as answer:
        assert answer.content_type == "text/event-stream"
        assert await answer.content.readline() == b": alive\n"
        for _ in range(3):
            jobs.pace.release()
        assert b"transcript.text.done" in await answer.read()


async def test_what_only_openais_models_heed_is_accepted(client: openai.AsyncOpenAI) -> None:
    heard = await client.audio.transcriptions.create(
        file=recording(),
        model="english",
        prompt="first line\nsecond line",
        include=["logprobs"],
        chunking_strategy={"type": "server_vad", "silence_duration_ms": 300},
        known_speaker_names=["customer"],
    )
    assert heard.text == TEXT


BAD: list[tuple[dict[str, Any], type[openai.APIStatusError], str, str | None]] = [
    ({"model": "klingon"}, openai.NotFoundError, "unknown_model", None),
    ({"model": ""}, openai.BadRequestError, "bad_parameter", "model"),
    ({"response_format": "pdf"}, openai.BadRequestError, "bad_parameter", "response_format"),
    (
        {"timestamp_granularities": ["word"]},
        openai.BadRequestError,
        "bad_parameter",
        "timestamp_granularities[]",
    ),
    ({"extra_body": {"colour": "red"}}, openai.BadRequestError, "bad_parameter", "colour"),
    ({"temperature": 7}, openai.BadRequestError, "bad_parameter", "temperature"),
    (
        {"stream": True, "response_format": "srt"},
        openai.BadRequestError,
        "bad_parameter",
        "response_format",
    ),
]


@pytest.mark.parametrize(("wrong", "error", "code", "param"), BAD)
async def test_what_is_wrong_is_said_in_openais_form(
    client: openai.AsyncOpenAI,
    folder: Path,
    wrong: dict[str, Any],
    error: type[openai.APIStatusError],
    code: str,
    param: str | None,
) -> None:
    asked: dict[str, Any] = {"file": recording(), "model": "english", **wrong}
    with pytest.raises(error) as caught:
        await client.audio.transcriptions.create(**asked)
    assert (caught.value.code, caught.value.param) == (code, param)
    assert caught.value.type == "invalid_request_error"
    assert left(folder) == []


async def test_what_is_no_audio(client: openai.AsyncOpenAI, folder: Path) -> None:
    with pytest.raises(openai.APIStatusError) as caught:
        await client.audio.transcriptions.create(file=("a.wav", b"no audio"), model="english")
    assert (caught.value.status_code, caught.value.code) == (415, "bad_audio")
    assert left(folder) == []


async def test_a_recording_that_no_recogniser_bears_is_not_sent_again(
    gateway: Stack, jobs: MemoryJobs
) -> None:
    jobs.fault = RecogniserFailed("given up at 00:10")
    async with openai.AsyncOpenAI(
        base_url=f"{gateway.url}/v1", api_key="none", max_retries=3
    ) as client:
        with pytest.raises(openai.InternalServerError) as caught:
            await client.audio.transcriptions.create(file=recording(), model="english")
    assert caught.value.code == "recogniser_failed"
    assert "00:10" in caught.value.message
    assert len(jobs.jobs) == 1


async def test_an_upload_over_the_limit(
    client: openai.AsyncOpenAI, jobs: MemoryJobs, folder: Path
) -> None:
    with pytest.raises(openai.APIStatusError) as caught:
        await client.audio.transcriptions.create(file=("long.wav", bytes(4 << 20)), model="english")
    assert (caught.value.status_code, caught.value.code) == (413, "message_too_big")
    assert not jobs.jobs
    assert left(folder) == []


async def test_an_upload_of_unknown_length_over_the_limit(gateway: Stack, folder: Path) -> None:
    async def endless() -> AsyncIterator[bytes]:
        yield b"--x\r\nContent-Disposition: form-data; name=file; filename=a\r\n\r\n"
        for _ in range(40):
            yield bytes(1 << 16)
        yield b"\r\n--x--\r\n"

    async with gateway.http.post(
        f"{gateway.url}/v1/audio/transcriptions",
        data=endless(),
        headers={"Content-Type": "multipart/form-data; boundary=x"},
    ) as answer:
        assert answer.status == 413
    assert left(folder) == []


async def test_who_asks_first_sends_nothing_in_vain(gateway: Stack) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.gateway.port)
    writer.write(
        b"POST /v1/audio/transcriptions HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
        b"Content-Type: multipart/form-data; boundary=x\r\nContent-Length: 99999999\r\n\r\n"
    )
    assert (await asyncio.wait_for(reader.readline(), 10)).startswith(b"HTTP/1.1 413")
    writer.close()


async def test_the_client_that_goes_takes_its_job_with_it(
    gateway: Stack, jobs: MemoryJobs, folder: Path
) -> None:
    jobs.pace = asyncio.Semaphore(0)
    async with aiohttp.ClientSession() as session:
        waiting = asyncio.create_task(
            session.post(f"{gateway.url}/v1/audio/transcriptions", data=form())
        )
        await eventually_async(lambda: bool(jobs.jobs))
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
    (job,) = jobs.jobs
    await eventually_async(lambda: jobs.jobs[job].state is JobState.CANCELLED, within=10)
    await eventually_async(lambda: left(folder) == [], within=10)


async def test_the_client_that_goes_in_mid_upload_leaves_nothing(
    gateway: Stack, jobs: MemoryJobs, folder: Path
) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", gateway.gateway.port)
    writer.write(
        b"POST /v1/audio/transcriptions HTTP/1.1\r\nHost: x\r\nContent-Length: 500000\r\n"
        b"Content-Type: multipart/form-data; boundary=x\r\n\r\n--x\r\n"
        b'Content-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n' + bytes(100_000)
    )
    await writer.drain()
    await eventually_async(lambda: len(left(folder)) == 1)
    writer.transport.abort()
    await eventually_async(lambda: left(folder) == [], within=10)
    assert not jobs.jobs


async def test_an_upload_that_stands_still_is_given_up(
    redis_server: Server, folder: Path, jobs: MemoryJobs
) -> None:
    async with http_api(redis_server, folder, jobs, upload_idle_seconds=0.3) as gateway:
        reader, writer = await asyncio.open_connection("127.0.0.1", gateway.gateway.port)
        writer.write(
            b"POST /v1/audio/transcriptions HTTP/1.1\r\nHost: x\r\nContent-Length: 500000\r\n"
            b"Content-Type: multipart/form-data; boundary=x\r\n\r\n--x\r\n"
            b'Content-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n' + bytes(999)
        )
        assert (await asyncio.wait_for(reader.readline(), 10)).startswith(b"HTTP/1.1 408")
        writer.close()
        assert left(folder) == []


async def test_a_connection_without_a_whole_request_is_closed(
    redis_server: Server, folder: Path
) -> None:
    async with http_api(redis_server, folder, None, header_seconds=0.5) as gateway:
        reader, writer = await asyncio.open_connection("127.0.0.1", gateway.gateway.port)
        writer.write(b"GET /v1/models HTTP/1.1\r\nHost: x\r\nX-Slow: ")
        assert await asyncio.wait_for(reader.read(), 10) == b""
        writer.close()


async def test_more_uploads_than_may_be(gateway: Stack, folder: Path) -> None:
    head = (
        b"POST /v1/audio/transcriptions HTTP/1.1\r\nHost: x\r\nContent-Length: 500000\r\n"
        b"Content-Type: multipart/form-data; boundary=x\r\n\r\n--x\r\n"
        b'Content-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n'
    )
    writers = []
    for _ in range(3):
        _, writer = await asyncio.open_connection("127.0.0.1", gateway.gateway.port)
        writer.write(head)
        writers.append(writer)
    await eventually_async(lambda: len(left(folder)) == 3)
    async with gateway.http.post(f"{gateway.url}/v1/audio/transcriptions", data=form()) as answer:
        assert answer.status == 503
        assert answer.headers["Retry-After"]
        assert (await answer.json())["error"]["code"] == "overloaded"
    for writer in writers:
        writer.close()


async def test_nobody_begins_with_it(redis_server: Server, folder: Path) -> None:
    jobs = MemoryJobs(workers=False)
    async with (
        http_api(redis_server, folder, jobs, transcription_queue_seconds=0.3) as gateway,
        gateway.http.post(f"{gateway.url}/v1/audio/transcriptions", data=form()) as answer,
    ):
        assert answer.status == 503
        assert (await answer.json())["error"]["code"] == "no_worker"
    assert [job.state for job in jobs.jobs.values()] == [JobState.CANCELLED]
    assert left(folder) == []


async def test_it_takes_too_long(redis_server: Server, folder: Path) -> None:
    jobs = MemoryJobs(pace=asyncio.Semaphore(0))
    async with (
        http_api(redis_server, folder, jobs, transcription_seconds=0.3) as gateway,
        gateway.http.post(f"{gateway.url}/v1/audio/transcriptions", data=form()) as answer,
    ):
        assert answer.status == 408
        assert answer.headers["x-should-retry"] == "false"
    assert [job.state for job in jobs.jobs.values()] == [JobState.CANCELLED]


async def test_a_place_of_jobs_that_is_away_for_a_while_costs_nothing(
    gateway: Stack, jobs: MemoryJobs
) -> None:
    jobs.pace = asyncio.Semaphore(0)
    waiting = asyncio.create_task(
        gateway.http.post(f"{gateway.url}/v1/audio/transcriptions", data=form())
    )
    await eventually_async(lambda: bool(jobs.jobs))
    jobs.down = True
    await asyncio.sleep(0.3)  # several looks fail
    jobs.down = False
    for _ in range(3):
        jobs.pace.release()
    async with await waiting as answer:
        assert (await answer.json())["text"] == TEXT


async def test_a_gateway_that_stops_waits_for_what_is_nearly_done(
    gateway: Stack, jobs: MemoryJobs
) -> None:
    jobs.pace = asyncio.Semaphore(0)
    url = f"{gateway.url}/v1/audio/transcriptions"
    waiting = asyncio.create_task(gateway.http.post(url, data=form()))
    await eventually_async(lambda: bool(jobs.jobs))
    draining = asyncio.create_task(gateway.gateway.drain())
    await asyncio.sleep(0)

    async def refused() -> bool:
        async with gateway.http.post(url, data=form()) as answer:
            return answer.status == 503

    await eventually_async(refused)
    for _ in range(3):
        jobs.pace.release()
    async with await waiting as answer:
        assert (await answer.json())["text"] == TEXT
    await asyncio.wait_for(draining, 10)


async def test_a_gateway_that_stops_lets_an_upload_come_to_its_end(
    gateway: Stack, folder: Path
) -> None:
    draining = asyncio.Event()

    async def slowly() -> AsyncIterator[bytes]:
        yield b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n'
        yield wav(PCM)
        await draining.wait()
        yield b'\r\n--x\r\nContent-Disposition: form-data; name="model"\r\n\r\nenglish\r\n--x--\r\n'

    waiting = asyncio.create_task(
        gateway.http.post(
            f"{gateway.url}/v1/audio/transcriptions",
            data=slowly(),
            headers={"Content-Type": "multipart/form-data; boundary=x"},
        )
    )
    await eventually_async(lambda: len(left(folder)) == 1)
    drained = asyncio.create_task(gateway.gateway.drain())
    await asyncio.sleep(0)
    draining.set()
    async with await waiting as answer:
        assert (await answer.json())["text"] == TEXT
    await asyncio.wait_for(drained, 10)


async def test_a_gateway_that_stops_waits_no_longer_than_it_may(
    redis_server: Server, folder: Path
) -> None:
    jobs = MemoryJobs(pace=asyncio.Semaphore(0))
    async with http_api(redis_server, folder, jobs, gateway_drain_seconds=0.2) as gateway:
        waiting = asyncio.create_task(
            gateway.http.post(f"{gateway.url}/v1/audio/transcriptions", data=form())
        )
        await eventually_async(lambda: bool(jobs.jobs))
        await asyncio.wait_for(gateway.gateway.drain(), 10)
        async with await waiting as answer:
            assert answer.status == 503
            assert answer.headers["x-should-retry"] == "true"
    assert [job.state for job in jobs.jobs.values()] == [JobState.CANCELLED]
    assert jobs.closed


async def test_without_a_place_for_jobs_it_says_so(redis_server: Server, folder: Path) -> None:
    async with http_api(redis_server, folder, None) as gateway:
        for path in ("/v1/audio/transcriptions", "/v1/jobs"):
            async with gateway.http.post(gateway.url + path, data=form()) as answer:
                assert answer.status == 503
                assert "batch" in (await answer.json())["error"]["message"]


@pytest.mark.parametrize("shown", ["", "Bearer wrong", "Basic right"])
async def test_keys(redis_server: Server, folder: Path, jobs: MemoryJobs, shown: str) -> None:
    async with http_api(redis_server, folder, jobs, api_keys="other, right") as gateway:
        url = f"{gateway.url}/v1/audio/transcriptions"
        headers = {"Authorization": shown} if shown else {}
        async with gateway.http.post(url, data=form(), headers=headers) as answer:
            assert answer.status == 401
            assert (await answer.json())["error"]["type"] == "authentication_error"
        async with openai.AsyncOpenAI(base_url=f"{gateway.url}/v1", api_key="right") as client:
            heard = await client.audio.transcriptions.create(file=recording(), model="english")
        assert heard.text == TEXT


BODIES = [
    b"",
    b"--x",
    b"--x\r\n\r\nno name\r\n--x--\r\n",
    b'--x\r\nContent-Disposition: form-data; name="file"\r\n\r\ncut off',
    b'--x\r\nContent-Disposition: form-data; name="model"\r\n\r\n\xff\r\n--x--\r\n',
    b'--x\r\nContent-Disposition: form-data; name="model"\r\n\r\nenglish\r\n--x--\r\n',
]


@pytest.mark.parametrize("body", BODIES)
async def test_forms_that_are_none(gateway: Stack, folder: Path, body: bytes) -> None:
    for kind in ("multipart/form-data; boundary=x", "multipart/form-data", "text/plain"):
        async with gateway.http.post(
            f"{gateway.url}/v1/audio/transcriptions", data=body, headers={"Content-Type": kind}
        ) as answer:
            assert answer.status == 400, await answer.text()
            assert json.loads(await answer.text())["error"]["message"]
    assert left(folder) == []


def form(**fields: str) -> aiohttp.FormData:
    made = aiohttp.FormData()
    # The file first: curl sends fields in the order in which they are written.
    made.add_field("file", wav(PCM), filename="call.wav")
    for name, value in {"model": "english", **fields}.items():
        made.add_field(name, value)
    return made
