"""What a schema cannot say: that the objects refer to one another, and keep the house rules."""

from __future__ import annotations

import subprocess

import pytest

from tests.deploy.conftest import build
from tests.deploy.manifests import (
    ROOT,
    Document,
    Manifests,
    container,
    labels,
    name_of,
    pod,
    ports_of,
    selects,
)

BY_OPERATORS = {"asr-tls", "rabbitmq-default-user"}
"""Secrets that are not k8s/secrets.sh's: a certificate, and the RabbitMQ operator's own."""


def owners(manifests: Manifests, selector: Document) -> list[Document]:
    return [w for w in manifests.workloads() if selects(selector, labels(w))]


def test_selectors_find_the_pods_they_mean(manifests: Manifests) -> None:
    for one in manifests.workloads():
        assert selects(one["spec"]["selector"], labels(one)), name_of(one)
    for budget in manifests.of("PodDisruptionBudget"):
        operated = budget["metadata"]["name"] == "rabbitmq" and manifests.of("RabbitmqCluster")
        assert operated or len(owners(manifests, budget["spec"]["selector"])) == 1, name_of(budget)
    for one in manifests.workloads():
        for spread in pod(one).get("topologySpreadConstraints", []):
            assert selects(spread["labelSelector"], labels(one)), name_of(one)


def test_services_lead_to_ports_that_are_open(manifests: Manifests) -> None:
    for service in manifests.of("Service"):
        [target] = owners(manifests, {"matchLabels": service["spec"]["selector"]})
        for port in service["spec"]["ports"]:
            wanted = port.get("targetPort", port["port"])
            found = ports_of(target)
            assert wanted in found or wanted in found.values(), name_of(service)


def test_routes_lead_to_the_gateway_and_never_cut_a_call(manifests: Manifests) -> None:
    service = manifests.get("Service", "asr-gateway")
    ports = {p["port"] for p in service["spec"]["ports"]}
    for route in manifests.of("HTTPRoute"):
        [parent] = route["spec"]["parentRefs"]
        assert manifests.get("Gateway", parent["name"])
        for rule in route["spec"]["rules"]:
            assert rule["timeouts"] == {"request": "0s", "backendRequest": "0s"}
            for backend in rule["backendRefs"]:
                assert backend["name"] == "asr-gateway"
                assert backend["port"] in ports
    for ingress in manifests.of("Ingress"):
        notes = ingress["metadata"]["annotations"]
        assert int(notes["nginx.ingress.kubernetes.io/proxy-read-timeout"]) >= 60
    entrances = len(manifests.of("HTTPRoute", "Ingress"))
    assert entrances == (0 if manifests.overlay == "dev" else 1)


def test_what_pods_mount_exists(manifests: Manifests) -> None:
    secrets = set(BY_OPERATORS)
    for line in (ROOT / "k8s/secrets.sh").read_text("utf-8").splitlines():
        if line.strip().startswith("secret "):
            secrets.add(line.split()[1])
    maps = {m["metadata"]["name"] for m in manifests.of("ConfigMap")}
    claims = {c["metadata"]["name"] for c in manifests.of("PersistentVolumeClaim")}
    accounts = {a["metadata"]["name"] for a in manifests.of("ServiceAccount")}
    for one in manifests.workloads():
        spec = pod(one)
        volumes = {v["name"] for v in spec["volumes"]}
        volumes |= {t["metadata"]["name"] for t in one["spec"].get("volumeClaimTemplates", [])}
        for part in spec["containers"]:
            assert {m["name"] for m in part["volumeMounts"]} <= volumes, name_of(one)
        for volume in spec["volumes"]:
            if "configMap" in volume:
                assert volume["configMap"]["name"] in maps
            if "persistentVolumeClaim" in volume:
                assert volume["persistentVolumeClaim"]["claimName"] in claims
            for source in volume.get("projected", {}).get("sources", []):
                assert source["secret"]["name"] in secrets
            if "secret" in volume:
                assert volume["secret"]["secretName"] in secrets
        if "serviceAccountName" in spec:
            assert spec["serviceAccountName"] in accounts
    for binding in manifests.of("RoleBinding"):
        if binding["roleRef"]["kind"] == "Role":
            assert manifests.get("Role", binding["roleRef"]["name"])
        for subject in binding["subjects"]:
            assert subject["name"] in accounts
    for claim in manifests.of("PersistentVolumeClaim"):
        if "volumeName" not in claim["spec"]:
            continue  # made by the cluster's own storage class
        volume = manifests.get("PersistentVolume", claim["spec"]["volumeName"])
        assert volume["spec"]["accessModes"] == claim["spec"]["accessModes"]


def test_no_secret_is_written_down(manifests: Manifests) -> None:
    assert not manifests.of("Secret")
    for one in manifests.workloads():
        for part in pod(one)["containers"]:
            for variable in part.get("env", []):
                assert "secretKeyRef" not in variable.get("valueFrom", {}), name_of(one)


def test_containers_have_no_rights_they_do_not_need(manifests: Manifests) -> None:
    for one in manifests.workloads():
        spec = pod(one)
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for part in spec["containers"]:
            assert part["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert {"cpu", "memory"} <= set(part["resources"]["requests"])
            assert {"cpu", "memory"} <= set(part["resources"]["limits"])
    for component, one in manifests.ours():
        mounts = {m["mountPath"]: m for m in container(one)["volumeMounts"]}
        assert "/tmp" in mounts, component
        written = {path for path, mount in mounts.items() if not mount.get("readOnly")}
        assert written <= {"/tmp", "/uploads"}, component


def test_rabbitmq_s_pods_are_let_into_the_namespace(eks: Manifests) -> None:
    """Its operator makes them; the namespace refuses those that keep rights they do not need."""
    wanted = eks.get("Namespace", "asr")["metadata"]["labels"]
    assert wanted["pod-security.kubernetes.io/enforce"] == "restricted"
    spec = eks.get("RabbitmqCluster", "rabbitmq")["spec"]["override"]["statefulSet"]["spec"]
    made = spec["template"]["spec"]
    assert made["securityContext"]["runAsNonRoot"] is True
    assert made["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for part in [*made["initContainers"], *made["containers"]]:
        assert part["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
        }


def test_everything_of_ours_is_budgeted_and_spread(eks: Manifests) -> None:
    for component, one in eks.ours():
        budgets = [
            b for b in eks.of("PodDisruptionBudget") if selects(b["spec"]["selector"], labels(one))
        ]
        assert len(budgets) == (0 if component == "flower" else 1), component
        keys = {s["topologyKey"] for s in pod(one)["topologySpreadConstraints"]}
        assert keys == {"topology.kubernetes.io/zone", "kubernetes.io/hostname"}


def test_nothing_is_left_to_fill_in(manifests: Manifests) -> None:
    text = build(manifests.overlay)
    for blank in ("registry.invalid", "HOSTNAME\n", "EFS_ID", "UPLOADS\n", "local-config"):
        assert blank not in text
    known = {"infra"}
    assert not known & {m["metadata"]["name"] for m in manifests.of("ConfigMap")}


def test_namespaced_objects_are_in_the_namespace(manifests: Manifests) -> None:
    everywhere = {
        "Namespace", "PersistentVolume", "StorageClass", "PriorityClass", "GatewayClass",
    }  # fmt: skip
    for one in manifests.documents:
        if one["kind"] not in everywhere:
            assert one["metadata"].get("namespace") == "asr", name_of(one)


def test_a_changed_setting_rolls_out() -> None:
    """The ConfigMap's name holds a hash of what is in it."""
    dev = Manifests.parse("dev", build("dev")).config("asr-settings")["metadata"]["name"]
    eks = Manifests.parse("eks", build("eks")).config("asr-settings")["metadata"]["name"]
    assert dev != eks


def test_the_dashboard_s_account_is_the_seed_s() -> None:
    documents = Manifests.parse("dashboard", build("dashboard"))
    [binding] = documents.of("ClusterRoleBinding")
    assert binding["roleRef"]["name"] == "cluster-admin"
    assert binding["subjects"][0]["name"] == "admin-user"
    assert documents.get("ServiceAccount", "admin-user")["metadata"]["namespace"] == (
        "kubernetes-dashboard"
    )


@pytest.mark.parametrize("overlay", ["dev", "eks"])
def test_the_secrets_that_are_made_have_the_keys_that_are_mounted(
    overlay: str, tmp_path: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """k8s/secrets.sh against a kubectl that writes down what it is given."""
    from pathlib import Path

    import yaml

    folder = Path(str(tmp_path))
    fake = folder / "kubectl"
    fake.write_text(
        "#!/bin/sh\n"
        'case "$*" in *"get secret"*) exit 1 ;; *"create -f -"*) cat; echo --- ;; esac\n'
        ">&2 true\n"
    )
    fake.chmod(0o755)
    log = folder / "made.yaml"
    fake.write_text(
        fake.read_text().replace("cat;", f"cat >>{log};").replace("echo ---", f"echo --- >>{log}")
    )
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    done = subprocess.run(
        ["bash", "k8s/secrets.sh", overlay],
        cwd=ROOT, capture_output=True, text=True, timeout=30, check=True,
    )  # fmt: skip
    made = {s["metadata"]["name"]: s for s in yaml.safe_load_all(log.read_text()) if s}
    for _, one in Manifests.parse(overlay, build(overlay)).ours():
        for volume in pod(one)["volumes"]:
            sources = [s["secret"] for s in volume.get("projected", {}).get("sources", [])]
            for source in sources:
                if source["name"] in made:
                    keys = {item["key"] for item in source["items"]}
                    assert keys <= set(made[source["name"]]["data"])
    assert ("rabbitmq-default-user" in made) == (overlay == "dev")
    import base64

    for secret in made.values():
        for value in secret["data"].values():
            assert base64.b64decode(value).decode() not in done.stdout
