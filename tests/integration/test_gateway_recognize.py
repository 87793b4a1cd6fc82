"""``/client/dynamic/recognize``, as clients of kaldi-gstreamer-server use it."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from asr_tasks.contracts.errors import NoWorker
from tests.servers.choose import Server
from tests.support.audio import encoded, noise, wav
from tests.support.eventually import eventually_async
from tests.support.fake_worker import transcript
from tests.support.gateway_stack import Stack
from tests.support.http_api import http_api

pytestmark = pytest.mark.integration

PCM = noise(5)
TEXT = " ".join(transcript(PCM))
PATH = "/client/dynamic/recognize"


@pytest.fixture
async def gateway(redis_server: Server, tmp_path: Path) -> AsyncIterator[Stack]:
    async with http_api(redis_server, tmp_path, None, idle_seconds=1.0) as made:
        yield made


async def recognize(gateway: Stack, data: Any, method: str = "PUT", **headers: str) -> Any:
    async with gateway.http.request(
        method, f"{gateway.url}{PATH}", data=data, headers=headers
    ) as answer:
        assert answer.status == 200
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        return await answer.json()


@pytest.mark.parametrize("method", ["PUT", "POST"])
async def test_a_recording_in_one_piece(gateway: Stack, method: str) -> None:
    answer = await recognize(gateway, wav(PCM), method)
    assert answer["status"] == 0
    assert answer["hypotheses"] == [{"utterance": TEXT}]
    assert await gateway.store.read(answer["id"]) is not None


async def test_samples_with_the_old_caps(gateway: Stack) -> None:
    kind = "audio/x-raw-int; rate=16000"
    answer = await recognize(gateway, PCM, **{"Content-Type": kind, "device-id": "phone"})
    assert answer["hypotheses"] == [{"utterance": TEXT}]


async def test_a_container(gateway: Stack) -> None:
    answer = await recognize(
        gateway, encoded(PCM, "FLAC", "PCM_16"), **{"Content-Type": "audio/x-flac"}
    )
    assert answer["hypotheses"] == [{"utterance": TEXT}]


async def test_chunks_are_recognised_while_they_come(gateway: Stack) -> None:
    heard = asyncio.Event()

    async def slowly() -> AsyncIterator[bytes]:
        yield wav(PCM)[:100_000]
        await heard.wait()
        yield wav(PCM)[100_000:]

    asking = asyncio.create_task(recognize(gateway, slowly()))

    async def first_final() -> bool:
        for session in gateway.gateway.registry:
            found = await gateway.store.read(session.id)
            return isinstance(found, tuple) and bool(found[1])
        return False

    await eventually_async(first_final)
    heard.set()
    assert (await asking)["hypotheses"] == [{"utterance": TEXT}]


@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl here")
async def test_curl_as_the_readme_of_the_old_server_has_it(gateway: Stack, tmp_path: Path) -> None:
    file = tmp_path / "speech.wav"
    file.write_bytes(wav(PCM))
    url = f"{gateway.url}{PATH}"
    for arguments in (
        ["-T", str(file), url],
        ["-T", str(file), "--limit-rate", "400000", "--header", "Transfer-Encoding: chunked", url],
        ["-X", "POST", "--data-binary", f"@{file}", url],
    ):
        process = await asyncio.create_subprocess_exec(
            "curl", "-sS", *arguments, stdout=asyncio.subprocess.PIPE
        )
        said, _ = await asyncio.wait_for(process.communicate(), 30)
        assert process.returncode == 0
        assert TEXT in said.decode(), arguments


async def test_nobody_is_free(gateway: Stack) -> None:
    gateway.allocator.refusal = NoWorker()
    async with gateway.http.put(f"{gateway.url}{PATH}", data=wav(PCM)) as answer:
        assert answer.status == 503
        assert await answer.text() == "No workers available"


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"this is not audio at all, whatever it may be", "audio/x-wav"),
        (PCM, "audio/x-raw, format=(string)S24_32BE"),
    ],
)
async def test_what_is_no_audio(gateway: Stack, data: bytes, kind: str) -> None:
    answer = await recognize(gateway, data, **{"Content-Type": kind})
    assert answer["status"] == 5
    assert answer["message"]


async def test_nothing_is_nothing(gateway: Stack) -> None:
    assert (await recognize(gateway, b""))["hypotheses"] == [{"utterance": ""}]


async def test_a_sender_that_stands_still_is_answered(gateway: Stack) -> None:
    async def stalled() -> AsyncIterator[bytes]:
        yield wav(PCM)[:50_000]
        await asyncio.sleep(30)

    answer = await asyncio.wait_for(recognize(gateway, stalled()), 20)
    assert answer["status"] == 1


async def test_a_client_that_goes_ends_its_session(gateway: Stack) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", gateway.gateway.port)
    writer.write(f"PUT {PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: 500000\r\n\r\n".encode())
    writer.write(wav(noise(3)))
    await writer.drain()
    await eventually_async(lambda: len(gateway.gateway.registry) == 1)
    (session,) = gateway.gateway.registry
    writer.transport.abort()

    async def stored() -> bool:
        found = await gateway.store.read(session.id)
        return getattr(found, "state", "") == "done"

    await eventually_async(stored, within=10)


async def test_what_browsers_ask_first(gateway: Stack) -> None:
    async with gateway.http.options(f"{gateway.url}{PATH}") as answer:
        assert answer.status == 200
        assert answer.headers["Access-Control-Allow-Methods"] == "POST, PUT, OPTIONS"
        assert "Content-Id" in answer.headers["Access-Control-Allow-Headers"]
