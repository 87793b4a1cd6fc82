"""Schemas, policies and linters, where `make tools` has put them."""

from __future__ import annotations

import itertools
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.deploy.conftest import build
from tests.deploy.manifests import ROOT, Manifests
from tests.deploy.tools import tool

KUBERNETES = "1.34"
CUSTOM = {
    "Gateway", "GatewayClass", "HTTPRoute", "PodMonitor", "PrometheusRule", "RabbitmqCluster",
}  # fmt: skip
"""Kinds that Kubernetes itself has no schema for."""
OVERLAYS = ("dev", "eks", "eks-gpu", "eks-nginx", "dashboard")


def run(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a tool in the project's folder, or skip."""
    program = tool(name)
    if program is None:
        pytest.skip(f"no {name}: `make tools`")
    return subprocess.run(
        [program, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=150, check=False
    )


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every document of every overlay, once."""
    distinct: dict[str, None] = {}
    for overlay in OVERLAYS:
        distinct |= dict.fromkeys(build(overlay).split("\n---\n"))
    file = tmp_path_factory.mktemp("built") / "all.yaml"
    file.write_text("\n---\n".join(distinct), "utf-8")
    return file


def test_the_overlays_keep_kubernetes_schemas(built: Path) -> None:
    done = run("kubernetes-validate", "--strict", "-k", KUBERNETES, str(built))
    assert done.returncode == 0, done.stdout + done.stderr
    unknown = set(re.findall(r"schema for kind (\w+)", done.stdout + done.stderr))
    assert unknown == CUSTOM


def test_a_misspelt_key_would_be_found(built: Path, tmp_path: Path) -> None:
    [scaler] = Manifests.parse("eks", build("eks")).of("HorizontalPodAutoscaler")
    scaler["spec"]["minReplica"] = 1
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(yaml.safe_dump(scaler), "utf-8")
    done = run("kubernetes-validate", "--strict", "-k", KUBERNETES, str(wrong))
    assert done.returncode != 0


def test_the_policies_hold_but_for_what_is_excused_with_a_reason(built: Path) -> None:
    done = run("checkov", "--config-file", "k8s/checkov.yaml", "-f", str(built))
    assert done.returncode == 0, done.stdout[-6000:]
    assert re.search(r"Failed checks: 0\b", done.stdout)


def test_every_excuse_has_a_reason() -> None:
    lines = (ROOT / "k8s/checkov.yaml").read_text("utf-8").splitlines()
    for before, line in itertools.pairwise(lines):
        if line.strip().startswith("- CKV"):
            assert before.strip().startswith("#"), line
    for file in sorted((ROOT / "k8s").rglob("*.yaml")):
        for skipped in re.findall(r"^ +checkov.io/skip\d+: (.*)", file.read_text("utf-8"), re.M):
            assert re.fullmatch(r"CKV\w+=\S.{20,}", skipped), file


def test_the_dockerfile_is_clean() -> None:
    done = run("hadolint", "Dockerfile")
    assert done.returncode == 0, done.stdout


def test_the_scripts_are_clean() -> None:
    found = [*(ROOT / "k8s").rglob("*.sh"), *(ROOT / "scripts").glob("tools*.sh")]
    scripts = [str(p.relative_to(ROOT)) for p in sorted(found)]
    done = run("shellcheck", "-x", "-P", "SCRIPTDIR", "-s", "bash", *scripts)
    assert done.returncode == 0, done.stdout


def test_the_yaml_is_tidy() -> None:
    done = run("yamllint", "-c", "k8s/yamllint.yaml", "k8s", "compose.yaml")
    assert done.returncode == 0, done.stdout
    assert yaml.safe_load((ROOT / "k8s/yamllint.yaml").read_text("utf-8"))
