"""One suite, two servers: the stand-in, and a real one where a KUBECONFIG is given."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from kubernetes import client, config

from tests.kube.server import Stub, running

NAMESPACE = "default"
HOLD = "asr.test/hold"
"""A finalizer: a pod that has it stays Terminating until it is taken away, as one that drains."""

SERVERS = ["stub", "real"] if os.environ.get("KUBECONFIG") else ["stub"]


@pytest.fixture
def stub() -> Iterator[Stub]:
    with running() as stub:
        yield stub


@pytest.fixture
def api(stub: Stub) -> Iterator[client.ApiClient]:
    """A client of the stand-in."""
    with client.ApiClient(_settings(stub.url)) as api:
        yield api


@pytest.fixture(params=SERVERS)
def cluster(request: pytest.FixtureRequest) -> Iterator[client.ApiClient]:
    """A client of either; what the test makes is removed."""
    if request.param == "stub":
        with running() as stub, client.ApiClient(_settings(stub.url)) as api:
            yield api
        return
    settings = client.Configuration()
    config.load_kube_config(client_configuration=settings)
    with client.ApiClient(settings) as api:
        yield api


@pytest.fixture
def statefulset(cluster: client.ApiClient) -> Iterator[Callable[..., str]]:
    """Make StatefulSets; answers their names."""
    yield from _statefulsets(cluster)


@pytest.fixture
def workers(api: client.ApiClient) -> Iterator[Callable[..., str]]:
    """The same, of the stand-in."""
    yield from _statefulsets(api)


def _statefulsets(api: client.ApiClient) -> Iterator[Callable[..., str]]:
    apps, core = client.AppsV1Api(api), client.CoreV1Api(api)
    made: list[str] = []

    def make(replicas: int = 0, **spec: Any) -> str:
        name = f"worker-{uuid.uuid4().hex[:8]}"
        apps.create_namespaced_stateful_set(NAMESPACE, body_of(name, replicas, **spec))
        made.append(name)
        return name

    yield make
    for name in made:
        apps.delete_namespaced_stateful_set(name, NAMESPACE)
        for pod in core.list_namespaced_pod(NAMESPACE, label_selector=f"app={name}").items:
            release(core, pod.metadata.name)


def body_of(name: str, replicas: Any, **spec: Any) -> dict[str, Any]:
    """A StatefulSet whose pods stay Terminating until they are released.

    No scheduler takes them, so no machine runs them: a test writes their status itself.
    """
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": {
            "replicas": replicas,
            "serviceName": name,
            "podManagementPolicy": "Parallel",
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}, "finalizers": [HOLD]},
                "spec": {
                    "schedulerName": "nobody",
                    "containers": [{"name": "worker", "image": "worker"}],
                },
            },
            **spec,
        },
    }


def release(core: client.CoreV1Api, pod: str) -> None:
    """Let a pod that is Terminating go."""
    try:
        core.patch_namespaced_pod(pod, NAMESPACE, {"metadata": {"finalizers": None}})
    except client.ApiException as error:
        if error.status != 404:
            raise


def _settings(url: str) -> client.Configuration:
    settings = client.Configuration(host=url)
    settings.retries = False
    return settings
