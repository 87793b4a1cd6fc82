"""The whole loop in a cluster: a real Redis, the stand-in's StatefulSet, workers for its pods."""

from __future__ import annotations

import asyncio

import pytest
from kubernetes import client

from allocator.leader import Elector
from allocator.scaling.cluster import cluster_scaling, scaled_entries
from allocator.settings import MonitorSettings
from allocator.store import Store
from asr_tasks.catalogue import Catalogue
from asr_tasks.configuration import ConfigurationError
from tests.kube.conftest import NAMESPACE, release
from tests.support.allocator import FakeWorker, open_session
from tests.support.eventually import eventually_async

pytestmark = pytest.mark.integration

SLOTS = 2
CATALOGUE = """
[models.english]
kind = "echo"
slots = 2
min_replicas = 1
max_replicas = 6
statefulset = "{name}"

[models.malay]
kind = "echo"
"""
KUBECONFIG = """
apiVersion: v1
kind: Config
clusters: [{{name: stub, cluster: {{server: "{url}"}}}}]
users: [{{name: us, user: {{token: "no secret"}}}}]
contexts: [{{name: stub, context: {{cluster: stub, user: us}}}}]
current-context: stub
"""


class Kubelet:
    """Runs a pretended worker in each pod, drains it when the pod is to go."""

    def __init__(self, api, store, name):
        self.core = client.CoreV1Api(api)
        self.store, self.name = store, name
        self.workers: dict[str, FakeWorker] = {}

    async def step(self):
        label = f"app={self.name}"
        found = await asyncio.to_thread(
            self.core.list_namespaced_pod, NAMESPACE, label_selector=label
        )
        for pod in found.items:
            name = pod.metadata.name
            if not pod.metadata.deletion_timestamp:
                if name not in self.workers:
                    worker = FakeWorker(self.store, name, SLOTS)
                    self.workers[name] = await worker.ready()
                continue
            worker = self.workers.get(name)
            if worker is not None:
                assert not worker.running, f"{name} was removed with a call"
                await self.store.declare_gone(name, "stream", worker.stream)
                await self.store.forget(name)
                del self.workers[name]
            await asyncio.to_thread(release, self.core, name)


@pytest.fixture
async def store(redis_server):
    store = Store.connect(redis_server.url, result_expires=60)
    yield store
    await store.close()


@pytest.fixture
def settings(stub, workers, tmp_path):
    name = workers(1)
    (tmp_path / "catalogue.toml").write_text(CATALOGUE.format(name=name))
    (tmp_path / "kubeconfig").write_text(KUBECONFIG.format(url=stub.url))
    found = MonitorSettings(
        catalogue=str(tmp_path / "catalogue.toml"),
        kubeconfig=str(tmp_path / "kubeconfig"),
        monitor_http="",
        check_interval=0.1,
        scaler="kubernetes",
        scaling_policy="seed",
        scaling_target=1,
    )
    return found, name


async def test_it_grows_for_callers_and_shrinks_above_the_highest_with_a_call(
    api, stub, store, settings
):
    chosen, name = settings
    kubelet = Kubelet(api, store, name)

    def told():
        # Not over HTTP: that would take the faults which are meant for the loop.
        return stub.objects.get("statefulsets", NAMESPACE, name)["spec"]["replicas"]

    async with cluster_scaling(chosen, store) as loop:
        office = await Elector(store, "monitor", "one", 30.0).step()
        await eventually_async(lambda: loop._may_act(), within=20)

        async def look():
            await kubelet.step()
            await loop.look(office)
            await kubelet.step()

        calls = []
        await look()
        for _ in range(3 * SLOTS):
            session = await open_session(store)
            offer = await store.allocate(session, "english")
            worker = kubelet.workers[offer.worker]
            await worker.claim(offer)
            await worker.report()
            calls.append((session, worker))
            await look()
        assert told() == 4
        # The API fails for a while: nothing is lost but time.
        stub.faults += [("scale", 503), ("scale", 429), ("scale", 409)]
        for session, worker in calls[:-1]:
            await worker.finish(session)
            await worker.report()

        async def shrunk():
            await look()
            return told() == 3  # the third holds a call

        await eventually_async(shrunk, within=20)
        assert not stub.faults
        session, worker = calls[-1]
        await worker.finish(session)
        await worker.report()
        for _ in range(3):
            await look()
        assert told() == 1
        assert sorted(kubelet.workers) == [f"{name}-0"]


async def test_without_the_lease_nothing_is_scaled(api, stub, store, settings):
    chosen, name = settings
    apps = client.AppsV1Api(api)
    async with cluster_scaling(chosen, store) as first:
        await eventually_async(lambda: first._may_act(), within=20)
        other = chosen.model_copy(update={"allocator_name": "another", "scaling_target": 3})
        async with cluster_scaling(other, store) as second:
            office = await Elector(store, "monitor", "two", 30.0).step()
            await second.look(office)
            scale = await asyncio.to_thread(
                apps.read_namespaced_stateful_set_scale, name, NAMESPACE
            )
            assert scale.spec.replicas == 1
    lease = await asyncio.to_thread(
        client.CoordinationV1Api(api).read_namespaced_lease, "asr-monitor", NAMESPACE
    )
    assert not lease.spec.holder_identity  # left on purpose: a successor need not wait


async def test_the_lease_follows_who_leads_the_monitors(stub, store, settings):
    chosen, _ = settings
    one = chosen.model_copy(update={"allocator_name": "one", "kube_lease_seconds": 6.0})
    two = chosen.model_copy(update={"allocator_name": "two", "kube_lease_seconds": 6.0})
    leader = "two"
    async with (
        cluster_scaling(one, store, lambda: leader == "one") as first,
        cluster_scaling(two, store, lambda: leader == "two") as second,
    ):
        await eventually_async(lambda: second._may_act(), within=20)
        assert not first._may_act()
        leader = "one"
        await eventually_async(lambda: first._may_act(), within=20)
        assert not second._may_act()


def test_models_that_may_have_several_workers_are_scaled(tmp_path):
    (tmp_path / "c.toml").write_text(CATALOGUE.format(name=""))
    catalogue = Catalogue.load(str(tmp_path / "c.toml"))
    assert [entry.name for entry in scaled_entries(catalogue, "")] == ["english"]
    assert [entry.name for entry in scaled_entries(catalogue, "malay")] == ["malay"]
    (tmp_path / "d.toml").write_text('[models.malay]\nkind = "echo"\n')
    with pytest.raises(ConfigurationError, match="max_replicas"):
        scaled_entries(Catalogue.load(str(tmp_path / "d.toml")), "")
