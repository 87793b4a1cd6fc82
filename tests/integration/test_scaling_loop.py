"""The scaling loop over a real Redis: it grows for callers, and shrinks without touching a call."""

from __future__ import annotations

import time

import pytest

from allocator.leader import Elector
from allocator.scaling.journal import explain
from allocator.scaling.loop import Scaled, ScalingLoop
from allocator.scaling.observation import Bounds
from allocator.scaling.respite import LONGEST
from allocator.scaling.scaled import Scale, ScaleConflict, WorkloadDown
from allocator.settings import MonitorSettings
from allocator.store import NotLeader, Store
from tests.support.allocator import FakeWorker, open_session

pytestmark = pytest.mark.integration

SLOTS = 2
CHECK_INTERVAL = 2.0


class Shelf:
    """A workload that starts pretended workers at once."""

    def __init__(self, store):
        self.store = store
        self.told = {"english": 0}
        self.workers: dict[int, FakeWorker] = {}
        self.version = 0
        self.fail: list[Exception] = []
        self.calls: list[int] = []

    async def replicas(self, model):
        return Scale(self.told[model], str(self.version))

    async def scale(self, model, replicas, seen, term):
        if self.fail:
            raise self.fail.pop(0)
        assert seen.version == str(self.version)
        self.calls.append(replicas)
        self.told[model] = replicas
        self.version += 1
        for ordinal in range(replicas):
            if ordinal not in self.workers:
                name = f"worker-english-{ordinal}"
                self.workers[ordinal] = await FakeWorker(self.store, name, SLOTS).ready()
        for ordinal in [one for one in self.workers if one >= replicas]:
            worker = self.workers.pop(ordinal)
            assert not worker.running, "a worker with a call was removed"
            gone = await self.store.declare_gone(worker.name, "stream", worker.stream)
            assert gone == ()
            await self.store.forget(worker.name)

    async def close(self):
        pass


@pytest.fixture
async def store(redis_server):
    store = Store.connect(redis_server.url, result_expires=60)
    yield store
    await store.close()


@pytest.fixture
async def office(store):
    return await Elector(store, "monitor", "one", 5.0).step()


@pytest.fixture
def shelf(store):
    return Shelf(store)


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def loop(store, shelf, clock):
    return make(store, shelf, clock=clock)


def make(store, shelf, least=1, most=5, clock=time.monotonic, **settings):
    own = {
        "scaling_policy": "seed",
        "scaling_target": 1,
        "monitor_http": "",
        "check_interval": CHECK_INTERVAL,
        **settings,
    }
    scaled = [Scaled("english", SLOTS, Bounds(least, most))]
    return ScalingLoop(MonitorSettings(**own), store, shelf, scaled, clock=clock)


async def call(store, shelf):
    """A caller; returns the session and its worker."""
    session = await open_session(store)
    offer = await store.allocate(session, "english")
    worker = shelf.workers[int(offer.worker.rsplit("-", 1)[1])]
    await worker.claim(offer)
    await worker.report()
    return session, worker


async def hang_up(session, worker):
    await worker.finish(session)
    await worker.report()


async def test_workers_are_there_before_callers_need_them(store, shelf, loop, office):
    await loop.look(office)
    assert shelf.told["english"] == 1
    for _ in range(2 * SLOTS + 1):
        await call(store, shelf)  # never has to wait: an idle worker is kept
        await loop.look(office)
    assert shelf.told["english"] == 4


async def test_it_shrinks_only_above_the_highest_worker_with_a_call(store, shelf, loop, office):
    await loop.look(office)
    calls = []
    for _ in range(3 * SLOTS):
        calls.append(await call(store, shelf))
        await loop.look(office)
    high = calls[-1]
    for session, worker in calls[:-1]:
        await hang_up(session, worker)
    await loop.look(office)
    top = int(high[1].name.rsplit("-", 1)[1])
    assert shelf.told["english"] == top + 1
    # The one at the top is cordoned: the next caller goes below it, and it can leave.
    _, below = await call(store, shelf)
    assert below.name != high[1].name
    await hang_up(*high)
    await loop.look(office)
    await loop.look(office)
    assert shelf.told["english"] == 2


async def test_a_store_that_came_back_empty_is_no_reason_to_shrink(store, shelf, loop, office):
    await loop.look(office)
    for _ in range(2 * SLOTS):
        await call(store, shelf)
        await loop.look(office)
    before = shelf.told["english"]
    await store.redis.flushdb()
    office = await Elector(store, "monitor", "one", 5.0).step()
    await loop.look(office)
    assert shelf.told["english"] == before
    (model,) = (await explain(store, "english")).models
    assert f"nobody has heard of worker {before - 1} yet" in model.decisions[0].reason
    for worker in shelf.workers.values():
        worker.running.clear()  # their sessions are lost with the store
        await worker.ready()
    await loop.look(office)
    assert shelf.told["english"] == 1


async def test_a_cordoned_worker_that_is_wanted_again_takes_calls_again(store, shelf, loop, office):
    await loop.look(office)
    calls = []
    for _ in range(3 * SLOTS):
        calls.append(await call(store, shelf))
        await loop.look(office)
    for session, worker in calls[:-1]:
        await hang_up(session, worker)
    await loop.look(office)
    before = shelf.told["english"]
    for _ in range(2 * SLOTS):
        await call(store, shelf)
        await loop.look(office)
    assert shelf.told["english"] >= before
    models = (await explain(store, "english")).models
    decisions = models[0].decisions
    assert any(decision.cordoned for decision in decisions)
    assert any(decision.uncordoned for decision in decisions)


async def test_every_decision_is_explained(store, shelf, loop, office):
    await loop.look(office)
    await call(store, shelf)
    await loop.look(office)
    (model,) = (await explain(store, "")).models
    newest = model.decisions[0]
    assert (newest.before, newest.after) == (1, 2)
    assert "idle" in newest.reason
    assert newest.at > 0
    assert model.startup >= 0


async def test_looks_that_change_nothing_do_not_fill_the_journal(store, shelf, loop, office):
    for _ in range(6):
        await loop.look(office)
    (model,) = (await explain(store, "english")).models
    assert len(model.decisions) == 2


@pytest.mark.parametrize("error", [ScaleConflict("changed"), WorkloadDown("no answer")])
async def test_what_scaling_fails_at_is_tried_again_at_the_next_look(
    store, shelf, loop, office, clock, error
):
    shelf.fail = [error]
    await loop.look(office)
    assert shelf.told["english"] == 0
    clock.now += CHECK_INTERVAL
    await loop.look(office)
    assert shelf.told["english"] == 1


async def test_a_workload_that_goes_on_failing_is_asked_ever_more_seldom(
    store, shelf, loop, office, clock
):
    shelf.fail = [WorkloadDown("no answer") for _ in range(500)]
    looks = 300
    for _ in range(looks):
        await loop.look(office)
        clock.now += CHECK_INTERVAL
    tried = 500 - len(shelf.fail)
    assert looks * CHECK_INTERVAL / LONGEST <= tried <= looks * CHECK_INTERVAL / LONGEST * 2 + 5
    shelf.fail.clear()
    clock.now += LONGEST
    await loop.look(office)
    assert shelf.told["english"] == 1


async def test_a_workload_that_asks_for_time_is_left_alone_so_long(
    store, shelf, loop, office, clock
):
    shelf.fail = [WorkloadDown("throttled", retry_after=20)]
    await loop.look(office)
    clock.now += 19.9
    await loop.look(office)
    assert shelf.told["english"] == 0
    clock.now += 0.1
    await loop.look(office)
    assert shelf.told["english"] == 1


async def test_a_model_that_cannot_be_scaled_keeps_no_other_waiting(store, office, clock):
    asked = []

    class WithoutMalay(Shelf):
        async def replicas(self, model):
            asked.append(model)
            if model == "malay":
                raise WorkloadDown("there is no such StatefulSet")
            return await super().replicas(model)

    settings = MonitorSettings(
        scaling_policy="seed", scaling_target=1, monitor_http="", check_interval=CHECK_INTERVAL
    )
    models = [Scaled(model, SLOTS, Bounds(1, 5)) for model in ("malay", "english")]
    loop = ScalingLoop(settings, store, WithoutMalay(store), models, clock=clock)
    for _ in range(3):
        await loop.look(office)
    assert asked.count("malay") == 1
    assert asked.count("english") >= 3


async def test_a_leader_that_was_replaced_changes_nothing(store, shelf, loop, office):
    await loop.look(office)
    calls = [await call(store, shelf)]
    await loop.look(office)
    newer = Elector(store, "monitor", "two", 0.01)
    await newer.step()
    new = None
    while new is None:
        new = await newer.step()
    for session, worker in calls:
        await hang_up(session, worker)
    with pytest.raises(NotLeader):
        await loop.look(office)
    assert shelf.told["english"] == 2


async def test_a_model_may_have_no_workers_while_nobody_calls(store, shelf, office):
    shelf.told["english"] = 0
    loop = make(
        store, shelf, least=0, scaling_policy="predictive", scaling_target=0,
        scale_to_zero_seconds=0.001, scale_down_seconds=0,
    )  # fmt: skip
    await loop.look(office)
    await loop.look(office)
    assert shelf.told["english"] == 0
    session = await open_session(store)
    await store.allocate(session, "english")
    await loop.look(office)
    assert shelf.told["english"] >= 1
