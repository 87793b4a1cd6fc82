"""Built manifests, and the questions tests have about them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from allocator.settings import MonitorSettings, ServerSettings
from asr_tasks.batch.settings import BatchSettings
from asr_tasks.settings import Settings
from asr_tasks.worker.settings import WorkerSettings
from gateway.settings import GatewaySettings

ROOT = Path(__file__).resolve().parents[2]

SETTINGS: dict[str, type[Settings]] = {
    "gateway": GatewaySettings,
    "allocator": ServerSettings,
    "monitor": MonitorSettings,
    "worker": WorkerSettings,
    "batch": BatchSettings,
    "flower": Settings,
}
"""Which settings a component of ours reads."""

NOT_SETTINGS = {"ASR_SECRETS_DIR"}
COMPONENT = "app.kubernetes.io/component"

Document = dict[str, Any]


def all_settings() -> set[str]:
    """Every variable that means something to some process."""
    pending, found = [Settings], set[str]()
    while pending:
        cls = pending.pop()
        pending += cls.__subclasses__()
        found |= {f"ASR_{name.upper()}" for name in cls.model_fields}
    return found


@dataclass(frozen=True)
class Manifests:
    """What `kubectl apply -k` would send."""

    overlay: str
    documents: list[Document]

    @classmethod
    def parse(cls, overlay: str, text: str) -> Manifests:
        return cls(overlay, [one for one in yaml.safe_load_all(text) if one])

    def of(self, *kinds: str) -> list[Document]:
        return [one for one in self.documents if one["kind"] in kinds]

    def get(self, kind: str, name: str) -> Document:
        return next(one for one in self.of(kind) if one["metadata"]["name"] == name)

    def workloads(self) -> list[Document]:
        return self.of("Deployment", "StatefulSet")

    def ours(self) -> Iterator[tuple[str, Document]]:
        """Workloads that run our code, by component."""
        for one in self.workloads():
            component = labels(one).get(COMPONENT)
            if component:
                yield component, one

    def component(self, name: str) -> Document:
        return next(one for component, one in self.ours() if component == name)

    def worker_sets(self) -> list[Document]:
        return [one for component, one in self.ours() if component == "worker"]

    def config(self, prefix: str) -> Document:
        """The generated ConfigMap of that name (a hash follows it)."""
        pattern = re.compile(rf"{prefix}(-[a-z0-9]{{10}})?")
        return next(o for o in self.of("ConfigMap") if pattern.fullmatch(o["metadata"]["name"]))

    def environment(self, workload: Document) -> dict[str, str]:
        """The variables its container gets whose value is written down."""
        found: dict[str, str] = {}
        for source in container(workload).get("envFrom", []):
            found |= self.get("ConfigMap", source["configMapRef"]["name"])["data"]
        written = {
            e["name"]: e["value"] for e in container(workload).get("env", []) if "value" in e
        }
        return {name: str(value) for name, value in (found | written).items()}


def pod(workload: Document) -> Document:
    spec: Document = workload["spec"]["template"]["spec"]
    return spec


def container(workload: Document) -> Document:
    """The first container, which is the component's."""
    first: Document = pod(workload)["containers"][0]
    return first


def labels(workload: Document) -> dict[str, str]:
    """Of its pods."""
    found: dict[str, str] = workload["spec"]["template"]["metadata"]["labels"]
    return found


def selects(selector: Document, having: dict[str, str]) -> bool:
    """Whether a label selector takes these labels."""
    for key, value in selector.get("matchLabels", {}).items():
        if having.get(key) != value:
            return False
    for rule in selector.get("matchExpressions", []):
        assert rule["operator"] == "In", rule
        if having.get(rule["key"]) not in rule["values"]:
            return False
    return True


def ports_of(workload: Document) -> dict[str, int]:
    """Name to number, over all its containers."""
    return {
        port["name"]: port["containerPort"]
        for one in pod(workload)["containers"]
        for port in one.get("ports", [])
    }


def name_of(one: Document) -> str:
    return f"{one['kind']} {one['metadata']['name']}"
