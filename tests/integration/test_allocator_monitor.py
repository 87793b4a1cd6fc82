"""The monitor and a real server, over a real Redis: who dies, hangs or waits is seen to."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
import time

import pytest

from allocator.leader import Elector
from allocator.monitor import Monitor
from allocator.server import serve
from allocator.settings import MonitorSettings, ServerSettings
from allocator.store import Store
from asr_tasks.contracts import names
from tests.support.allocator import (
    AnyModel,
    FakeWorker,
    Sent,
    open_session,
    result_of,
    session_of,
    worker_of,
)
from tests.support.eventually import eventually_async

pytestmark = pytest.mark.integration

FAST = {
    "monitor_http": "",
    "look_seconds": 0.05,
    "grace_seconds": 0.05,
    "silence_seconds": 0.8,
    "ready_seconds": 0.5,
    "leader_seconds": 0.4,
    "wait_seconds": 1.0,
    "rewait_seconds": 30.0,
}


@pytest.fixture
async def store(redis_server):
    store = Store.connect(redis_server.url, result_expires=60)
    yield store
    await store.close()


@pytest.fixture
def sent():
    return Sent()


@pytest.fixture
async def server(store, sent):
    settings = ServerSettings(allocator_listen="127.0.0.1:0", allocator_http="")
    server = await serve(settings, store, sent, AnyModel())
    yield server
    await server.close()


@pytest.fixture
async def watch(redis_server, sent):
    """Start monitors, each with its own connections."""
    async with contextlib.AsyncExitStack() as stack:

        async def watch(**settings):
            store = Store.connect(redis_server.url, result_expires=60)
            stack.push_async_callback(store.close)
            monitor = Monitor(MonitorSettings(**{**FAST, **settings}), store, sent)
            task = asyncio.create_task(monitor.run())
            stack.push_async_callback(asyncio.wait, {task}, timeout=15)
            stack.push_async_callback(monitor.close)
            return monitor

        yield watch


@pytest.fixture
async def processes(server, redis_server):
    """Start attached worker processes."""
    started = []

    async def start(name, slots=8):
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.support.attached_worker",
            server.address, name, "english", str(slots), redis_server.url,
            stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        started.append(process)
        assert await asyncio.wait_for(process.stdout.readline(), 20) == b"attached\n"
        return process

    yield start
    for process in started:
        if process.returncode is None:
            process.kill()
        await process.wait()


class Reporting:
    """A fake worker that reports on, and claims what it is sent, until it is stopped."""

    def __init__(self, worker, sent):
        self.worker, self.sent, self.claims = worker, sent, True
        self._seen = 0
        self._task = asyncio.create_task(self._go())

    async def _go(self):
        await self.worker.ready()
        while True:
            for offer in self.sent.offers[self._seen :] if self.claims else []:
                self._seen += 1
                if offer.worker == self.worker.name:
                    await self.worker.claim(offer)
            await self.worker.report()
            await asyncio.sleep(0.1)

    async def hang(self):
        self._task.cancel()
        await asyncio.wait_for(asyncio.wait({self._task}), 10)


@pytest.fixture
async def reporting(store, sent):
    all_of_them = []

    def start(name, slots=8):
        one = Reporting(FakeWorker(store, name, slots), sent)
        all_of_them.append(one)
        return one

    yield start
    for one in all_of_them:
        await one.hang()


async def test_a_killed_worker_costs_its_sessions_little_time(
    store, server, sent, watch, processes
):
    await watch(silence_seconds=30.0, grace_seconds=0.1, ready_seconds=30.0)
    first, _ = await processes("worker-0"), await processes("worker-1")
    sessions = [await open_session(store) for _ in range(8)]
    for session in sessions:
        await store.allocate(session, "english")
    await eventually_async(lambda: _streaming(store, sessions))
    begin = time.perf_counter()
    first.kill()
    await eventually_async(
        lambda: {o.session for o in sent.offers if o.worker == "worker-1"} == set(sessions),
        every=0.002,
    )
    took = time.perf_counter() - begin
    print(f"moved {len(sessions)} sessions {took * 1000:.0f} ms after the kill")
    assert took < 1.0  # 100 ms of it is the grace
    assert all(offer.epoch == 2 for offer in sent.offers)
    await eventually_async(lambda: _is_gone(store, "worker-0"))


async def _streaming(store, sessions):
    return all([(await session_of(store, s))["state"] == "streaming" for s in sessions])


async def _is_gone(store, worker):
    return worker not in await store.workers()


async def test_a_stopped_worker_loses_its_sessions_and_comes_back_clean(
    store, server, sent, watch, processes
):
    await watch()
    process = await processes("worker-0", slots=1)
    session = await open_session(store)
    await store.allocate(session, "english")
    await eventually_async(lambda: _streaming(store, [session]))
    process.send_signal(signal.SIGSTOP)
    await eventually_async(lambda: _is_gone(store, "worker-0"))
    assert (await session_of(store, session))["state"] == "waiting"
    process.send_signal(signal.SIGCONT)
    await eventually_async(lambda: sent.of(session))
    assert sent.of(session)[-1].epoch == 2


async def test_a_worker_that_comes_back_in_time_keeps_its_sessions(store, server, sent, watch):
    await watch(grace_seconds=1.0, silence_seconds=30)
    worker = await FakeWorker(store, "worker-0").ready()
    session = await open_session(store)
    await worker.claim(await store.allocate(session, "english"))
    await store.suspect("worker-0", worker.stream)
    await worker.register()
    await asyncio.sleep(1.2)  # the grace has to pass for the promise to mean something
    assert (await session_of(store, session))["epoch"] == "1"
    assert sent.offers == []


async def test_silence_says_nothing_while_no_allocator_runs(store, sent, watch, reporting):
    await watch()
    one = reporting("worker-0")
    await eventually_async(lambda: store.workers())
    await one.hang()
    await asyncio.sleep(3 * FAST["silence_seconds"])
    assert (await worker_of(store, "worker-0"))["state"] != "gone"


async def test_an_unclaimed_session_goes_to_another_worker(store, server, sent, watch, reporting):
    deaf = reporting("worker-0")
    deaf.claims = False
    await eventually_async(lambda: worker_of(store, "worker-0"))
    reporting("worker-1")
    await eventually_async(lambda: worker_of(store, "worker-1"))
    session = await open_session(store)
    offer = await store.allocate(session, "english")
    assert offer.worker == "worker-0"
    await watch()
    await eventually_async(lambda: _streaming(store, [session]))
    assert (await session_of(store, session))["worker"] == "worker-1"


async def test_a_session_that_waits_too_long_is_ended(store, server, sent, watch):
    await watch()
    session = await open_session(store, client="bob")
    await store.allocate(session, "english")
    result = await eventually_async(lambda: result_of(store, session), within=5)
    assert (result["code"], result["client"]) == ("no_worker", "bob")
    assert await store.read("ZCARD", names.waiting_key("english")) == 0
    assert await store.read("EXISTS", names.session_key(session)) == 0


async def test_waiting_sessions_are_served_when_a_worker_comes(
    store, server, sent, watch, reporting
):
    await watch(wait_seconds=30.0, ready_seconds=30.0)
    sessions = [await open_session(store) for _ in range(3)]
    for session in sessions:
        await store.allocate(session, "english")
    reporting("worker-0")  # a store of its own: no server serves on its behalf
    await eventually_async(lambda: _streaming(store, sessions))
    assert sorted(offer.session for offer in sent.offers) == sorted(sessions)


async def test_a_session_whose_worker_is_unknown_is_moved(store, server, sent, watch, reporting):
    await watch()
    reporting("worker-0")
    await eventually_async(lambda: store.workers())
    session = await open_session(store, state="streaming", worker="nobody", epoch=4, attempts=1)
    await eventually_async(lambda: sent.of(session))
    assert sent.of(session)[0].epoch == 5


async def test_one_monitor_leads_and_another_follows_it(store, server, watch, sent, reporting):
    first = await watch()
    await eventually_async(lambda: first.leads)
    second = await watch()
    await asyncio.sleep(0.5)
    assert not second.leads
    await first.close()
    await eventually_async(lambda: second.leads, within=0.4)
    session = await open_session(store)
    await store.allocate(session, "english")
    reporting("worker-0")
    await eventually_async(lambda: _streaming(store, [session]))


async def test_a_stopped_leader_that_goes_on_changes_nothing(store, server, watch, sent):
    stale = Elector(store, "monitor", "stale", 0.4)
    office = await stale.step()
    assert office is not None
    follower = await watch()
    await eventually_async(lambda: follower.leads)
    assert await store.read("HGET", names.leader_key("monitor"), "term") == "2"
    from allocator.store import NotLeader

    with pytest.raises(NotLeader):
        await store.serve_waiting("english", office)


async def test_the_monitor_lives_through_a_restart_of_redis(
    redis_server, store, server, watch, sent
):
    monitor = await watch(wait_seconds=30.0)
    worker = await FakeWorker(store, "worker-0").ready()
    session = await open_session(store)
    await worker.claim(await store.allocate(session, "english"))
    await worker.report()
    await eventually_async(lambda: monitor.leads)
    redis_server.kill9()
    await asyncio.sleep(1.0)
    await asyncio.to_thread(redis_server.start)
    assert (await session_of(store, session))["epoch"] == "1"
    await eventually_async(lambda: monitor.leads)
    # The worker was silent for as long as Redis was; that is not held against it.
    assert (await worker_of(store, "worker-0"))["state"] == "busy"
    await worker.register()
    await worker.report()
    waiting = await open_session(store)
    await store.allocate(waiting, "english")
    worker.leave(session)
    await store.cancel(session, "cancelled", "")
    await worker.report()
    await eventually_async(lambda: sent.of(waiting))
