"""What we rely on of a Kubernetes API server and its StatefulSet controller.

Against the stand-in always; against a real server, unchanged, where KUBECONFIG names one.
"""

from __future__ import annotations

import uuid

import pytest
from kubernetes import client, watch

from tests.kube.conftest import NAMESPACE, body_of, release
from tests.support.eventually import eventually

pytestmark = pytest.mark.integration


@pytest.fixture
def apps(cluster):
    return client.AppsV1Api(cluster)


@pytest.fixture
def core(cluster):
    return client.CoreV1Api(cluster)


def pods(core, name):
    found = core.list_namespaced_pod(NAMESPACE, label_selector=f"app={name}").items
    return {
        int(p.metadata.name.rsplit("-", 1)[1]): bool(p.metadata.deletion_timestamp) for p in found
    }


def scale(apps, name, replicas, version=None):
    body = {"spec": {"replicas": replicas}}
    if version:
        body["metadata"] = {"resourceVersion": version}
    return apps.patch_namespaced_stateful_set_scale(name, NAMESPACE, body)


def make_ready(core, name, replicas):
    """What a kubelet does once the pods' probes pass."""
    eventually(lambda: len(pods(core, name)) == replicas, within=20)
    status = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
    for ordinal in range(replicas):
        core.patch_namespaced_pod_status(f"{name}-{ordinal}", NAMESPACE, {"status": status})


def settled(apps, name):
    """The set's status, once its controller has seen its present spec."""

    def seen():
        one = apps.read_namespaced_stateful_set(name, NAMESPACE)
        return one.status.observed_generation == one.metadata.generation

    eventually(seen, within=20)
    return apps.read_namespaced_stateful_set(name, NAMESPACE).status


def refused(status, call, *arguments, **more):
    with pytest.raises(client.ApiException) as caught:
        call(*arguments, **more)
    assert caught.value.status == status


def test_what_exists_cannot_be_made_again(apps, statefulset):
    name = statefulset()
    refused(409, apps.create_namespaced_stateful_set, NAMESPACE, body_of(name, 0))


def test_a_selector_that_does_not_fit_is_refused(apps):
    body = body_of(f"worker-{uuid.uuid4().hex[:8]}", 0)
    body["spec"]["selector"]["matchLabels"] = {"app": "another"}
    refused(422, apps.create_namespaced_stateful_set, NAMESPACE, body)


@pytest.mark.parametrize("replicas", [-1, "x"])
def test_a_number_of_replicas_that_cannot_be_is_refused(apps, statefulset, replicas):
    name = statefulset()
    with pytest.raises(client.ApiException) as caught:
        scale(apps, name, replicas)
    assert caught.value.status in (400, 422)


def test_the_scale_has_its_kind_selector_and_version(apps, statefulset):
    name = statefulset(2)
    found = apps.read_namespaced_stateful_set_scale(name, NAMESPACE)
    assert (found.kind, found.spec.replicas) == ("Scale", 2)
    assert found.status.selector == f"app={name}"
    assert found.metadata.resource_version


def test_the_scale_of_what_is_not_there_is_not_found(apps):
    refused(404, apps.read_namespaced_stateful_set_scale, "nobody", NAMESPACE)


def test_a_scale_patch_with_the_version_seen_is_taken_and_with_an_older_one_refused(
    apps, statefulset
):
    name = statefulset()
    seen = apps.read_namespaced_stateful_set_scale(name, NAMESPACE).metadata.resource_version
    assert scale(apps, name, 1).spec.replicas == 1
    refused(409, scale, apps, name, 3, version=seen)
    assert apps.read_namespaced_stateful_set_scale(name, NAMESPACE).spec.replicas == 1


def test_a_replace_with_an_older_version_is_refused(apps, statefulset):
    name = statefulset()
    old = apps.read_namespaced_stateful_set(name, NAMESPACE)
    scale(apps, name, 1)
    old.spec.replicas = 2
    refused(409, apps.replace_namespaced_stateful_set, name, NAMESPACE, old)


def test_a_patch_whose_test_fails_is_refused(apps, statefulset):
    name = statefulset()
    patch = [{"op": "test", "path": "/spec/replicas", "value": 7}]
    refused(422, apps.patch_namespaced_stateful_set, name, NAMESPACE, patch)


def test_a_dry_run_stores_nothing(apps, statefulset):
    name = statefulset()
    apps.patch_namespaced_stateful_set_scale(
        name, NAMESPACE, {"spec": {"replicas": 5}}, dry_run="All"
    )
    assert apps.read_namespaced_stateful_set_scale(name, NAMESPACE).spec.replicas == 0


def test_labels_select(apps, statefulset):
    first, _ = statefulset(), statefulset()
    found = apps.list_namespaced_stateful_set(NAMESPACE, label_selector=f"app={first}").items
    assert [one.metadata.name for one in found] == [first]


def test_a_watch_tells_what_is_there_and_what_changes(apps, statefulset):
    name = statefulset()
    seen = []
    stream = watch.Watch()
    for event in stream.stream(apps.list_namespaced_stateful_set, NAMESPACE, timeout_seconds=5):
        if event["object"].metadata.name != name:
            continue
        seen.append(event["type"])
        if len(seen) == 1:
            scale(apps, name, 1)
        else:
            stream.stop()
    assert seen[:2] == ["ADDED", "MODIFIED"]


def test_all_pods_of_a_parallel_set_come_at_once(core, statefulset):
    name = statefulset(4)
    eventually(lambda: set(pods(core, name)) == {0, 1, 2, 3}, within=20)


def test_shrinking_removes_the_highest_ordinals_and_they_keep_their_place_while_they_drain(
    apps, core, statefulset
):
    name = statefulset(4)
    eventually(lambda: len(pods(core, name)) == 4, within=20)
    scale(apps, name, 2)
    leaving = {0: False, 1: False, 2: True, 3: True}
    eventually(lambda: pods(core, name) == leaving, within=20)
    # Wanted again: nothing is made in their place, they go on leaving.
    scale(apps, name, 4)
    assert pods(core, name) == leaving
    release(core, f"{name}-3")
    eventually(lambda: pods(core, name) == {0: False, 1: False, 2: True, 3: False}, within=20)


def test_growing_beyond_those_that_drain_makes_the_higher_ones_at_once(apps, core, statefulset):
    name = statefulset(3)
    eventually(lambda: len(pods(core, name)) == 3, within=20)
    scale(apps, name, 2)
    eventually(lambda: pods(core, name).get(2) is True, within=20)
    scale(apps, name, 5)
    wanted = {0: False, 1: False, 2: True, 3: False, 4: False}
    eventually(lambda: pods(core, name) == wanted, within=20)


def test_a_pod_in_the_middle_is_made_again(core, statefulset):
    name = statefulset(3)
    eventually(lambda: len(pods(core, name)) == 3, within=20)
    core.delete_namespaced_pod(f"{name}-1", NAMESPACE)
    release(core, f"{name}-1")
    eventually(lambda: pods(core, name) == {0: False, 1: False, 2: False}, within=20)


def test_pods_that_drain_count_as_ready_though_they_take_no_calls(apps, core, statefulset):
    name = statefulset(3)
    make_ready(core, name, 3)
    eventually(lambda: settled(apps, name).ready_replicas == 3, within=20)
    scale(apps, name, 1)
    eventually(lambda: pods(core, name) == {0: False, 1: True, 2: True}, within=20)
    # Another change, so that the status is one which the controller made with both Terminating.
    scale(apps, name, 2)
    assert settled(apps, name).ready_replicas == 3
    release(core, f"{name}-2")
    eventually(lambda: settled(apps, name).ready_replicas == 2, within=20)


@pytest.fixture
def budget(cluster):
    """Make disruption budgets for the pods of StatefulSets."""
    policy = client.PolicyV1Api(cluster)
    made = []

    def make(name, least):
        spec = {"minAvailable": least, "selector": {"matchLabels": {"app": name}}}
        body = {"metadata": {"name": name}, "spec": spec}
        policy.create_namespaced_pod_disruption_budget(NAMESPACE, body)
        made.append(name)

        def counts():
            found = policy.read_namespaced_pod_disruption_budget(name, NAMESPACE)
            return found.status.current_healthy == least

        eventually(counts, within=20)

    yield make
    for name in made:
        policy.delete_namespaced_pod_disruption_budget(name, NAMESPACE)


def test_a_disruption_budget_guards_against_evictions_and_not_against_a_scale_down(
    apps, core, statefulset, budget
):
    name = statefulset(3)
    make_ready(core, name, 3)
    budget(name, least=3)
    eviction = {"metadata": {"name": f"{name}-2"}}
    refused(429, core.create_namespaced_pod_eviction, f"{name}-2", NAMESPACE, eviction)
    assert pods(core, name) == {0: False, 1: False, 2: False}
    scale(apps, name, 1)
    eventually(lambda: pods(core, name) == {0: False, 1: True, 2: True}, within=20)


def test_what_no_budget_guards_is_evicted(core, statefulset):
    name = statefulset(2)
    make_ready(core, name, 2)
    eviction = {"metadata": {"name": f"{name}-1"}}
    core.create_namespaced_pod_eviction(f"{name}-1", NAMESPACE, eviction)
    eventually(lambda: pods(core, name) == {0: False, 1: True}, within=20)


def test_a_status_is_written_where_it_lies_and_nowhere_else(core, statefulset):
    name = statefulset(1)
    eventually(lambda: len(pods(core, name)) == 1, within=20)
    core.patch_namespaced_pod(f"{name}-0", NAMESPACE, {"status": {"phase": "Running"}})
    assert core.read_namespaced_pod(f"{name}-0", NAMESPACE).status.phase == "Pending"
    make_ready(core, name, 1)
    assert core.read_namespaced_pod(f"{name}-0", NAMESPACE).status.phase == "Running"


def test_a_lease_that_was_renewed_meanwhile_cannot_be_taken(cluster):
    leases = client.CoordinationV1Api(cluster)
    name = f"lease-{uuid.uuid4().hex[:8]}"
    body = {"metadata": {"name": name}, "spec": {"holderIdentity": "one", "leaseTransitions": 1}}
    leases.create_namespaced_lease(NAMESPACE, body)
    seen = leases.read_namespaced_lease(name, NAMESPACE)
    leases.patch_namespaced_lease(name, NAMESPACE, {"spec": {"leaseTransitions": 2}})
    seen.spec.holder_identity = "two"
    refused(409, leases.replace_namespaced_lease, name, NAMESPACE, seen)
    leases.delete_namespaced_lease(name, NAMESPACE)
