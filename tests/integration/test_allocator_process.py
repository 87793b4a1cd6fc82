"""`python -m allocator server` and `monitor`, as they are deployed."""

from __future__ import annotations

import asyncio
import os
import sys

import aiohttp
import grpc
import pytest

from allocator.store import Store
from asr_tasks.rpc import worker_manager_pb2 as pb
from asr_tasks.rpc.worker_manager_pb2_grpc import WorkerManagerServiceStub
from tests.servers.ports import free_port
from tests.support.allocator import FakeWorker, open_session, session_of, worker_of
from tests.support.eventually import eventually_async

pytestmark = pytest.mark.integration


@pytest.fixture
async def run(redis_server, rabbitmq):
    started = []

    async def run(part, *flags, **environment):
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "allocator", part, *flags,
            env={**os.environ, "ASR_REDIS_URL": redis_server.url, "ASR_BROKER_URL": rabbitmq.url,
                 **environment},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        started.append(process)
        return process

    yield run
    for process in started:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def get(port, path):
    async with (
        aiohttp.ClientSession() as http,
        http.get(f"http://127.0.0.1:{port}{path}") as response,
    ):
        return response.status, await response.text()


async def ready(port):
    try:
        return (await get(port, "/readyz"))[0] == 200
    except aiohttp.ClientConnectionError:
        return False


async def test_server_and_monitor_start_work_and_stop(run, redis_server):
    grpc_port, http_port, monitor_port = free_port(), free_port(), free_port()
    server = await run(
        "server",
        ASR_ALLOCATOR_LISTEN=f"127.0.0.1:{grpc_port}",
        ASR_ALLOCATOR_HTTP=f"127.0.0.1:{http_port}",
    )
    monitor = await run("monitor", ASR_MONITOR_HTTP=f"127.0.0.1:{monitor_port}")
    for port in (http_port, monitor_port):
        await eventually_async(lambda port=port: ready(port), within=20)

    store = Store.connect(redis_server.url)
    session = await open_session(store)
    async with grpc.aio.insecure_channel(f"127.0.0.1:{grpc_port}") as channel:
        stub = WorkerManagerServiceStub(channel)
        request = pb.AllocateWorkerRequest(model_name="english", task_queue=f"task.{session}")
        assert (await stub.AllocateWorker(request, timeout=5)).state == pb.WAITING
        request.model_name = "klingon"
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await stub.AllocateWorker(request, timeout=5)
        assert raised.value.code() is grpc.StatusCode.NOT_FOUND
        call = stub.Attach()
        report = pb.WorkerReport(
            worker_name="worker-0", model_name="english", incarnation="boot", slots=1,
            state=pb.READY, sequence=1,
        )  # fmt: skip
        await call.write(report)
        await call.read()
        await eventually_async(lambda: _assigned(store, session))
        assert "asr_monitor_leader 1.0" in (await get(monitor_port, "/metrics"))[1]
        server.terminate()
        assert await asyncio.wait_for(server.wait(), 10) == 0
        assert not (await worker_of(store, "worker-0"))["suspect"]
    monitor.terminate()
    assert await asyncio.wait_for(monitor.wait(), 10) == 0
    await store.close()


async def _assigned(store, session):
    return (await session_of(store, session)).get("state") == "assigned"


async def test_a_killed_server_costs_running_sessions_nothing(run, redis_server):
    ports = [(free_port(), free_port()) for _ in range(2)]
    servers = [
        await run(
            "server",
            ASR_ALLOCATOR_LISTEN=f"127.0.0.1:{grpc_port}",
            ASR_ALLOCATOR_HTTP=f"127.0.0.1:{http_port}",
        )
        for grpc_port, http_port in ports
    ]
    monitor_port = free_port()
    await run("monitor", ASR_MONITOR_HTTP=f"127.0.0.1:{monitor_port}")
    for port in (ports[0][1], ports[1][1], monitor_port):
        await eventually_async(lambda port=port: ready(port), within=20)
    store = Store.connect(redis_server.url)
    worker = await FakeWorker(store, "worker-0").ready()
    session = await open_session(store)
    await worker.claim(await store.allocate(session, "english"))
    servers[0].kill()
    for _ in range(8):  # longer than the monitor bears silence, by the other replica
        await asyncio.sleep(0.5)
        assert (await worker.report()).lost == ()
    assert (await session_of(store, session))["epoch"] == "1"
    await store.close()


async def test_settings_are_printed_with_secrets_masked(run):
    process = await run("server", "--print-settings", ASR_REDIS_URL="redis://:secret@127.0.0.1/0")
    out, _ = await process.communicate()
    assert process.returncode == 0
    assert b"ASR_REDIS_URL=redis://:***@127.0.0.1/0" in out.replace(b"None:***", b":***")
    assert b"secret" not in out


async def test_a_bad_setting_is_named(run):
    process = await run("monitor", ASR_GRACE_SECONDS="soon")
    _, err = await process.communicate()
    assert process.returncode == 2
    assert err.startswith(b"ASR_GRACE_SECONDS=soon: ")
