"""The manifests say of the code what the code says of itself."""

from __future__ import annotations

import importlib.util
import urllib.error
import urllib.request
from collections.abc import Iterator

import flower.urls
import pytest
from aiohttp import web

from allocator.health import HealthServer
from asr_tasks.batch.settings import BatchSettings
from asr_tasks.catalogue import Catalogue
from asr_tasks.worker.drain import LEAVE_SECONDS
from asr_tasks.worker.health import Health as WorkerHealth
from gateway.health import Health as GatewayHealth
from tests.deploy.manifests import (
    COMPONENT,
    NOT_SETTINGS,
    ROOT,
    SETTINGS,
    Document,
    Manifests,
    all_settings,
    container,
    labels,
    pod,
    ports_of,
)

PROBES = ("startupProbe", "readinessProbe", "livenessProbe")


def port(address: str) -> int:
    return int(address.rpartition(":")[2])


def test_every_setting_is_one_and_can_be(
    manifests: Manifests, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = all_settings()
    assert set(manifests.config("asr-settings")["data"]) <= known
    for component, workload in manifests.ours():
        given = manifests.environment(workload)
        named = {e["name"] for e in container(workload)["env"]} | set(given)
        ours = {name for name in named if name.startswith("ASR_")}
        assert ours - NOT_SETTINGS <= known, component
        with monkeypatch.context() as patch:
            for name, value in given.items():
                patch.setenv(name, value)
            patch.delenv("ASR_SECRETS_DIR")
            SETTINGS[component].load()  # raises on a value that cannot be


def test_secrets_are_files_that_the_settings_look_for(manifests: Manifests) -> None:
    for component, workload in manifests.ours():
        folder = manifests.environment(workload)["ASR_SECRETS_DIR"]
        mount = next(m for m in container(workload)["volumeMounts"] if m["mountPath"] == folder)
        volume = next(v for v in pod(workload)["volumes"] if v["name"] == mount["name"])
        files = {
            item["path"]
            for source in volume["projected"]["sources"]
            for item in source["secret"]["items"]
        }
        assert {"asr_broker_url", "asr_redis_url"} <= files, component
        both = {"asr_api_keys", "asr_webhook_secret"}
        assert files & both == (both if component in ("gateway", "batch") else set())
        assert {name.upper() for name in files} <= all_settings()


def test_ports_are_where_the_processes_listen(manifests: Manifests) -> None:
    wanted = {
        "gateway": lambda s: {"http": s.port},
        "allocator": lambda s: {"grpc": port(s.allocator_listen), "http": port(s.allocator_http)},
        "monitor": lambda s: {"http": port(s.monitor_http)},
        "worker": lambda s: {"http": port(s.worker_http)},
        "batch": lambda s: {},
    }
    for component, workload in manifests.ours():
        if component not in wanted:
            continue
        given = manifests.environment(workload)
        fields = SETTINGS[component].model_fields
        own = {k[4:].lower(): v for k, v in given.items() if k[4:].lower() in fields}
        settings = SETTINGS[component](**own)
        assert ports_of(workload) == wanted[component](settings), component


def test_the_allocator_is_where_the_others_look_for_it(manifests: Manifests) -> None:
    address = manifests.config("asr-settings")["data"]["ASR_ALLOCATOR_ADDRESS"]
    host, _, number = address.partition(":")
    service = manifests.get("Service", host)
    assert int(number) in {p["port"] for p in service["spec"]["ports"]}
    assert service["spec"]["selector"][COMPONENT] == "allocator"


def test_probed_paths_are_served(manifests: Manifests, served: dict[str, set[str]]) -> None:
    for component, workload in manifests.ours():
        for name in PROBES:
            probe = container(workload)[name]
            if "exec" in probe:
                assert component == "batch"
                continue
            assert probe["httpGet"]["path"] in served[component], (component, name)
            assert probe["httpGet"]["port"] in ports_of(workload)


def test_no_worker_is_restarted_because_something_else_is_away(manifests: Manifests) -> None:
    for component, workload in manifests.ours():
        liveness = container(workload)["livenessProbe"]
        if component != "batch":
            assert liveness["httpGet"]["path"] in ("/healthz", "/healthcheck")
            assert liveness["failureThreshold"] * liveness["periodSeconds"] >= 30


@pytest.fixture
async def served() -> dict[str, set[str]]:
    """The paths each component answers, asked of the servers themselves."""
    app = web.Application()
    GatewayHealth(None, None).add_routes(app)  # type: ignore[arg-type]
    gateway = {route.resource.canonical for route in app.router.routes() if route.resource}

    paths = ("/healthz", "/readyz", "/metrics")
    small = await HealthServer.start("127.0.0.1:0", {})
    import asyncio

    answers = [await asyncio.to_thread(_status, f"http://{small.address}{p}") for p in paths]
    await small.close()
    allocator = {path for path, status in zip(paths, answers, strict=True) if status == 200}

    health = WorkerHealth("127.0.0.1:0", {})
    health.start()
    worker = {p for p in paths if _status(f"http://127.0.0.1:{health.port}{p}") == 200}
    health.close()
    handlers = {str(handler[0]) for handler in flower.urls.handlers if isinstance(handler, tuple)}
    return {
        "gateway": gateway,
        "allocator": allocator,
        "monitor": allocator,
        "worker": worker,
        "flower": handlers,
    }


def _status(url: str) -> int:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def _modules(command: list[str]) -> Iterator[str]:
    """What a command line runs, as modules."""
    if command[:2] == ["python", "-m"]:
        yield command[2]
    elif command[:3] == ["celery", "-A", "asr_tasks"]:
        yield from ("celery", "asr_tasks")
    else:
        raise AssertionError(command)


def test_commands_are_entry_points(manifests: Manifests) -> None:
    seen = {}
    for component, workload in manifests.ours():
        command = container(workload)["command"]
        for module in _modules(command):
            assert importlib.util.find_spec(module), command
        seen[component] = " ".join(command)
    assert seen["allocator"].endswith("allocator server")
    assert seen["monitor"].endswith("allocator monitor")


def test_nobody_is_killed_before_it_has_drained(manifests: Manifests) -> None:
    for component, workload in manifests.ours():
        grace = pod(workload)["terminationGracePeriodSeconds"]
        settings = SETTINGS[component]()
        given = manifests.environment(workload)
        if component == "worker":
            drain = float(given.get("ASR_DRAIN_SECONDS", settings.drain_seconds))  # type: ignore[attr-defined]
            assert grace >= drain + LEAVE_SECONDS + 30
        elif component == "gateway":
            drain = float(given.get("ASR_GATEWAY_DRAIN_SECONDS", settings.gateway_drain_seconds))  # type: ignore[attr-defined]
            sleep = container(workload)["lifecycle"]["preStop"]["sleep"]["seconds"]
            assert grace >= sleep + drain + 15
        elif component == "allocator":
            assert grace >= settings.stop_seconds + 15  # type: ignore[attr-defined]


def test_each_model_of_a_statefulset_is_in_the_catalogue(manifests: Manifests) -> None:
    catalogue = catalogue_of(manifests)
    models = {}
    for workers in manifests.worker_sets():
        model = labels(workers)["asr/model"]
        entry = catalogue.get(model)
        assert workers["metadata"]["name"] == (entry.statefulset or f"asr-worker-{model}")
        assert workers["spec"]["serviceName"] == workers["metadata"]["name"]
        assert entry.max_replicas >= max(entry.min_replicas, 1)
        models[model] = entry
        named = {e["name"]: e for e in container(workers)["env"]}
        assert named["ASR_MODEL"]["valueFrom"]["fieldRef"]["fieldPath"] == (
            "metadata.labels['asr/model']"
        )
        # Ordinals are read from the name: the pod's.
        assert named["ASR_WORKER_NAME"]["valueFrom"]["fieldRef"]["fieldPath"] == "metadata.name"
    if manifests.overlay != "dev":
        assert set(models) == set(catalogue)


def test_checkpoints_are_on_the_volume(eks: Manifests) -> None:
    mounted = {m["mountPath"] for m in container(eks.worker_sets()[0])["volumeMounts"]}
    assert all(entry.model.startswith("/models/") for entry in catalogue_of(eks).values())
    assert "/models" in mounted


def test_on_gpus_the_catalogue_says_so(manifests: Manifests) -> None:
    devices = {entry.device for entry in catalogue_of(manifests).values()}
    for workers in manifests.worker_sets():
        limits = container(workers)["resources"]["limits"]
        gpu = "nvidia.com/gpu" in limits
        assert gpu == ("asr-worker-cuda:" in container(workers)["image"])
        assert gpu == (devices == {"cuda"})


def catalogue_of(manifests: Manifests) -> Catalogue:
    """As the workers would read it."""
    path = manifests.config("asr-settings")["data"]["ASR_CATALOGUE"]
    if not path:
        return Catalogue.load()
    text = manifests.config("asr-catalogue")["data"][path.rpartition("/")[2]]
    folder = path.rpartition("/")[0]
    for _, workload in manifests.ours():
        mounts = {m["mountPath"] for m in container(workload)["volumeMounts"]}
        assert folder in mounts
    for file in sorted((ROOT / "k8s").rglob("catalogue.toml")):
        if file.read_text("utf-8") == text:
            return Catalogue.load(file)
    raise AssertionError("the catalogue is no file of k8s/")


def test_the_monitor_may_scale_exactly_the_workers(manifests: Manifests) -> None:
    roles = {r["metadata"]["name"]: r for r in manifests.of("Role")}
    scaled: set[str] = set()
    rights: list[Document] = []
    for binding in manifests.of("RoleBinding"):
        if {"kind": "ServiceAccount", "name": "asr-monitor", "namespace": "asr"} in binding[
            "subjects"
        ]:
            rights += roles[binding["roleRef"]["name"]]["rules"]
    for rule in rights:
        if rule["apiGroups"] == ["apps"]:
            assert rule["resources"] == ["statefulsets/scale"]
            assert set(rule["verbs"]) == {"get", "patch"}
            scaled |= set(rule["resourceNames"])
        else:
            assert rule["apiGroups"] == ["coordination.k8s.io"]
            assert rule["resources"] == ["leases"]
            assert rule["verbs"] == ["create"] or rule["resourceNames"] == ["asr-monitor"]
    assert scaled == {one["metadata"]["name"] for one in manifests.worker_sets()}
    assert not manifests.of("ClusterRoleBinding")
    monitor = manifests.component("monitor")
    assert pod(monitor)["serviceAccountName"] == "asr-monitor"
    tokens = {c for c, w in manifests.ours() if pod(w)["automountServiceAccountToken"]}
    assert tokens == {"monitor"}


def test_the_autoscaler_has_the_seed_s_figures(eks: Manifests) -> None:
    [scaler] = eks.of("HorizontalPodAutoscaler")
    spec = scaler["spec"]
    assert (spec["minReplicas"], spec["maxReplicas"]) == (2, 10)
    assert {
        m["resource"]["name"]: m["resource"]["target"]["averageUtilization"]
        for m in spec["metrics"]
    } == {"cpu": 75, "memory": 75}
    assert spec["scaleTargetRef"]["name"] == "asr-gateway"


def test_what_somebody_else_scales_has_no_replicas_of_its_own(manifests: Manifests) -> None:
    """`kubectl apply` would put the number back, under the calls that are on it."""
    assert "replicas" not in manifests.component("gateway")["spec"]
    for workers in manifests.worker_sets():
        assert "replicas" not in workers["spec"]
        assert workers["spec"]["podManagementPolicy"] == "Parallel"


def test_queues_are_replicated_where_the_broker_is(manifests: Manifests) -> None:
    clusters = manifests.of("RabbitmqCluster")
    quorum = manifests.config("asr-settings")["data"]["ASR_QUEUE_TYPE"] == "quorum"
    assert quorum == bool(clusters)
    for cluster in clusters:
        assert cluster["spec"]["replicas"] == 3
        lines = cluster["spec"]["rabbitmq"]["additionalConfig"].splitlines()
        assert "default_queue_type = quorum" in lines


def test_uploads_are_where_batch_workers_find_them(manifests: Manifests) -> None:
    place = manifests.config("asr-settings")["data"]["ASR_UPLOADS"]
    if place.startswith("s3://"):
        return
    for component in ("gateway", "batch"):
        workload = manifests.component(component)
        mount = next(m for m in container(workload)["volumeMounts"] if m["mountPath"] == place)
        volume = next(v for v in pod(workload)["volumes"] if v["name"] == mount["name"])
        assert volume["persistentVolumeClaim"]["claimName"] == "asr-uploads"


def test_batch_workers_take_the_recordings_of_every_model(manifests: Manifests) -> None:
    given = manifests.environment(manifests.component("batch"))
    models = BatchSettings(batch_models=given["ASR_BATCH_MODELS"]).models
    catalogue = catalogue_of(manifests)
    if manifests.overlay == "dev":
        assert set(models) <= set(catalogue)
    else:
        assert models == list(catalogue)
