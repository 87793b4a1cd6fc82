"""The Dockerfile and compose.yaml fit the project, the code and each other."""

from __future__ import annotations

import fnmatch
import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.manifests import (
    NOT_SETTINGS,
    ROOT,
    SETTINGS,
    Manifests,
    all_settings,
    container,
)

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
DOCKERFILE = re.sub(r"\\\n", " ", (ROOT / "Dockerfile").read_text("utf-8"))
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))
COMPONENTS = {name: name for name in SETTINGS}


def stages() -> dict[str, list[str]]:
    """Instructions of each stage."""
    found: dict[str, list[str]] = {}
    current = ""
    for line in DOCKERFILE.splitlines():
        if match := re.match(r"FROM (\S+) AS (\S+)", line):
            current = match.group(2)
            found[current] = [line]
        elif current and line.strip() and not line.startswith("#"):
            found[current].append(line.strip())
    return found


def ancestry(stage: str) -> list[str]:
    """The instructions of a stage and of those it is made from."""
    lines = stages()[stage]
    base = lines[0].split()[1]
    return [*(ancestry(base) if base in stages() else []), *lines]


def test_everything_that_is_copied_is_there_and_let_through() -> None:
    let = [
        line[1:]
        for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines()
        if line.startswith("!")
    ]
    for line in stages()["build"]:
        if line.startswith("COPY"):
            for source in line.split()[1:-1]:
                assert (ROOT / source).exists(), source
                assert source in let, source


def test_the_wheel_s_contents_are_copied() -> None:
    hatch = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["hatch"]["build"]
    wheel = hatch["targets"]["wheel"]
    wanted = {*wheel["only-include"], *wheel["force-include"], "pyproject.toml", PROJECT["readme"]}
    copied = {
        s for line in stages()["build"] if line.startswith("COPY") for s in line.split()[1:-1]
    }
    assert wanted <= copied


@pytest.mark.parametrize("target", ["gateway", "allocator", "worker", "flower", "cli"])
def test_each_image_has_its_extras_and_no_compiler(target: str) -> None:
    source = next(line for line in stages()[target] if line.startswith("COPY --from="))
    built = source.partition("=")[2].split()[0]
    install = "\n".join(stages()[built])
    extras = set(re.search(r"\[([a-z,]+)\]\"", install).group(1).split(","))  # type: ignore[union-attr]
    assert extras <= set(PROJECT["optional-dependencies"])
    assert ("nemo" in extras) == (target == "worker")
    assert ("torch" in install) == (target == "worker")
    assert not any("apt-get" in line for line in ancestry(target))
    assert "USER 10001:10001" in ancestry(target)
    assert stages()[target][0].split()[1] == "runtime"


def test_torch_is_the_one_the_project_pins() -> None:
    [pinned] = [p for p in PROJECT["optional-dependencies"]["nemo"] if p.startswith("torch")]
    install = "\n".join(stages()["build-worker"])
    assert set(re.findall(r"torch==[\d.]+", install)) == {pinned}
    assert {"cpu)", "cuda)"} <= set(install.split())


def test_python_is_one_the_project_runs_on() -> None:
    [version] = re.findall(r"^ARG PYTHON=3\.(\d+)$", DOCKERFILE, re.MULTILINE)
    low, high = re.findall(r"3\.(\d+)", PROJECT["requires-python"])
    assert int(low) <= int(version) < int(high)


def test_images_start_what_the_manifests_start(eks: Manifests) -> None:
    for component, workload in eks.ours():
        target = container(workload)["image"].rpartition("/")[2].partition(":")[0]
        target = target.removeprefix("asr-")
        assert target in stages()
        if component in stages():
            [command] = [line for line in stages()[component] if line.startswith("CMD")]
            words = yaml.safe_load(command.removeprefix("CMD "))
            given = container(workload)["command"]
            assert given[: len(words)] == words or component == "flower", component


def service(name: str) -> dict[str, Any]:
    found: dict[str, Any] = COMPOSE["services"][name]
    return found


def test_compose_starts_every_component_with_settings_that_are() -> None:
    assert set(COMPOSE["services"]) == {*COMPONENTS, "rabbitmq", "redis"}
    for name, cls in SETTINGS.items():
        given = service(name)["environment"]
        assert {"ASR_BROKER_URL", "ASR_REDIS_URL", "ASR_ALLOCATOR_ADDRESS"} <= set(given)
        assert {key for key in given if key.startswith("ASR_")} <= all_settings() | NOT_SETTINGS
        written = {k[4:].lower(): str(v) for k, v in given.items() if "$" not in str(v)}
        cls(**{k: v for k, v in written.items() if k in cls.model_fields})


def test_compose_s_addresses_are_its_services_and_their_ports() -> None:
    given = service("gateway")["environment"]
    assert given["ASR_BROKER_URL"].endswith("@rabbitmq:5672//")
    assert given["ASR_REDIS_URL"].startswith("redis://redis:6379/")
    assert given["ASR_ALLOCATOR_ADDRESS"] == "allocator:50051"
    user = service("rabbitmq")["environment"]
    assert (
        f"{user['RABBITMQ_DEFAULT_USER']}:{user['RABBITMQ_DEFAULT_PASS']}@"
        in (given["ASR_BROKER_URL"])
    )


def test_compose_asks_each_component_where_it_answers(eks: Manifests) -> None:
    for component, workload in eks.ours():
        asked = " ".join(service(component)["healthcheck"]["test"])
        if component == "batch":
            assert f"batch@{service('batch')['environment']['ASR_WORKER_NAME']}" in asked
            continue
        probe = container(workload)["readinessProbe"]["httpGet"]
        number = {p["name"]: p["containerPort"] for p in container(workload)["ports"]}["http"]
        assert f"127.0.0.1:{number}{probe['path']}'" in asked


def test_compose_waits_for_what_is_needed_and_stops_gently(eks: Manifests) -> None:
    for name in COMPONENTS:
        conditions = service(name)["depends_on"]
        assert {"rabbitmq", "redis"} <= set(conditions)
        assert all(c == {"condition": "service_healthy"} for c in conditions.values())
    for name in ("worker", "batch"):
        assert service(name)["stop_grace_period"] == "120s"
    assert int(service("gateway")["stop_grace_period"].rstrip("s")) >= 40


def test_compose_publishes_on_loopback_only() -> None:
    for name, one in COMPOSE["services"].items():
        for port in one.get("ports", []):
            assert port.startswith("127.0.0.1:"), name


def test_compose_builds_targets_that_exist_and_its_images_are_built() -> None:
    built = {}
    for one in COMPOSE["services"].values():
        if "build" in one:
            assert one["build"]["target"] in stages()
            built[one["image"]] = one["build"]["target"]
    for name in COMPONENTS:
        assert service(name)["image"] in built, name
        assert service(name)["read_only"] is True
    arguments = re.findall(r"^ARG (\w+)", DOCKERFILE, re.MULTILINE)
    assert set(service("worker")["build"]["args"]) <= set(arguments)


def test_dev_and_compose_use_the_same_servers(dev: Manifests) -> None:
    images = {w["metadata"]["name"]: container(w)["image"] for w in dev.of("StatefulSet")}
    assert images["rabbitmq"] == service("rabbitmq")["image"]
    assert images["redis"] == service("redis")["image"]


def test_nothing_else_of_the_project_goes_into_the_build() -> None:
    lines = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    first = next(line for line in lines if line and not line.startswith("#"))
    assert first == "*"
    assert not any(fnmatch.fnmatch("tests", line[1:]) for line in lines if line.startswith("!"))
    assert Path(ROOT / "Dockerfile").exists()
    assert shlex.split("docker compose up --build") == ["docker", "compose", "up", "--build"]
