"""Our side of the Kubernetes API when it conflicts, throttles, fails, hangs or is gone."""

from __future__ import annotations

import asyncio
import contextlib
import time

import pytest

from allocator.scaling import kube
from allocator.scaling.kube import StatefulSets
from allocator.scaling.kube_lease import KubeLease
from allocator.scaling.scaled import ScaleConflict, WorkloadDown
from tests.kube.conftest import NAMESPACE
from tests.kube.server import Stub

pytestmark = pytest.mark.integration


@pytest.fixture
async def workload(api, workers):
    name = workers(2)
    sets = StatefulSets(api, NAMESPACE, {"english": name})
    yield sets
    sets._threads.shutdown(wait=False, cancel_futures=True)


@pytest.fixture
def hurried(monkeypatch):
    monkeypatch.setattr(kube, "CALL_SECONDS", 0.5)


async def test_it_reads_and_changes_the_scale_and_nothing_else(stub, workload):
    seen = await workload.replicas("english")
    assert seen.replicas == 2
    stub.requests.clear()
    await workload.scale("english", 3, seen, term=1)
    assert (await workload.replicas("english")).replicas == 3
    assert all(path.endswith("/scale") for _, path in stub.requests)


async def test_who_decided_on_an_older_scale_is_refused(workload):
    seen = await workload.replicas("english")
    await workload.scale("english", 3, seen, term=1)
    with pytest.raises(ScaleConflict):
        await workload.scale("english", 1, seen, term=1)
    assert (await workload.replicas("english")).replicas == 3


@pytest.mark.parametrize("status", [429, 500, 503, 403, 404])
async def test_what_the_server_does_not_do_is_said_and_tried_again_later(stub, workload, status):
    stub.faults.append(("*", status))
    with pytest.raises(WorkloadDown, match=str(status)):
        await workload.replicas("english")
    assert (await workload.replicas("english")).replicas == 2


async def test_a_server_that_throttles_says_for_how_long(stub, workload):
    stub.faults.append(("*", 429))
    with pytest.raises(WorkloadDown) as caught:
        await workload.replicas("english")
    assert caught.value.retry_after == 1


async def test_a_server_that_hangs_holds_up_a_look_no_longer_than_stated(stub, workload, hurried):
    stub.faults.append(("*", 0))
    begin = time.monotonic()
    with pytest.raises(WorkloadDown):
        await workload.replicas("english")
    assert time.monotonic() - begin < 5
    assert (await workload.replicas("english")).replicas == 2


async def test_a_server_that_is_gone_and_comes_back(api, stub, workload):
    port = int(stub.url.rsplit(":", 1)[1])
    objects = stub.objects
    await asyncio.to_thread(stub.stop)
    with pytest.raises(WorkloadDown):
        await workload.replicas("english")
    again = Stub()
    again.objects = objects
    await asyncio.to_thread(again.start, port)
    try:
        assert (await workload.replicas("english")).replicas == 2
    finally:
        # The fixture's stub is stopped already; give it a loop to be stopped in again.
        await asyncio.to_thread(again.stop)
        stub.__init__()
        await asyncio.to_thread(stub.start, port)
        stub.objects = objects


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


def lease(api, holder, clock):
    return KubeLease(api, NAMESPACE, "asr-monitor", holder, 10.0, clock)


async def test_one_of_several_candidates_leads_and_keeps_it(api):
    clock = Clock()
    candidates = [lease(api, f"monitor-{one}", clock) for one in range(4)]
    for _ in range(8):
        for candidate in candidates:
            with contextlib.suppress(ScaleConflict):
                await candidate.step()
        clock.now += 2
    assert [candidate.term for candidate in candidates] == [1, None, None, None]


async def test_a_leader_that_cannot_renew_acts_no_more_before_another_takes_over(api, stub):
    clock = Clock()
    first, second = lease(api, "one", clock), lease(api, "two", clock)
    assert await first.step() == 1
    assert await second.step() is None
    clock.now += 5
    stub.faults += [("PUT", 503)]
    with pytest.raises(WorkloadDown):
        await first.step()
    clock.now += 1.5
    assert first.term is None
    assert await second.step() is None  # not yet: ten seconds without a sign of life
    clock.now += 3.6
    assert await second.step() == 2
    # The old one sees it, and stands behind.
    assert await first.step() is None
    assert second.term == 2


async def test_a_leader_that_was_stopped_finds_its_lease_gone_and_its_patch_refused(api, workload):
    clock = Clock()
    first, second = lease(api, "one", clock), lease(api, "two", clock)
    await first.step()
    seen = await workload.replicas("english")
    await second.step()
    clock.now += 11  # "one" is stopped meanwhile
    assert await second.step() == 2
    await workload.scale("english", 3, await workload.replicas("english"), term=2)
    assert first.term is None
    with pytest.raises(ScaleConflict):
        await workload.scale("english", 0, seen, term=1)


async def test_a_leader_that_leaves_is_followed_at_once(api):
    clock = Clock()
    first, second = lease(api, "one", clock), lease(api, "two", clock)
    await first.step()
    assert await second.step() is None
    await first.resign()
    assert await second.step() == 2


async def test_whoever_takes_the_lease_at_the_same_moment_only_one_has_it(api):
    clock = Clock()
    first, second, third = (lease(api, name, clock) for name in ("one", "two", "three"))
    await first.step()
    await second.step()
    await third.step()
    clock.now += 11
    found = await asyncio.gather(second.step(), third.step(), return_exceptions=True)
    assert sorted(type(one).__name__ for one in found) in (
        ["ScaleConflict", "int"],
        ["NoneType", "int"],
    )


def test_outside_of_a_cluster_it_says_so(monkeypatch):
    from asr_tasks.configuration import ConfigurationError

    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    with pytest.raises(ConfigurationError, match="ASR_KUBECONFIG"):
        kube.connected()
    assert kube.own_namespace() == "default"
