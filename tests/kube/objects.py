"""What the stand-in keeps: objects with versions, and a StatefulSet controller over its pods."""

from __future__ import annotations

import copy
import itertools
import uuid
from dataclasses import dataclass, field
from typing import Any

_OWN = ("name", "namespace", "uid", "deletionTimestamp")
"""What no client changes."""


class Refused(Exception):
    """An answer other than success."""

    def __init__(self, status: int, reason: str, message: str = "") -> None:
        super().__init__(message or reason)
        self.status, self.reason = status, reason


Key = tuple[str, str, str]
"""Kind (plural), namespace, name."""


@dataclass
class Objects:
    """Everything that lies in etcd, and what the StatefulSet controller makes of it."""

    stored: dict[Key, dict[str, Any]] = field(default_factory=dict)
    events: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)
    _versions: Any = field(default_factory=lambda: itertools.count(1))

    def get(self, kind: str, namespace: str, name: str) -> dict[str, Any]:
        found = self.stored.get((kind, namespace, name))
        if found is None:
            raise Refused(404, "NotFound", f'{kind} "{name}" not found')
        return found

    def list(self, kind: str, namespace: str, labels: dict[str, str]) -> list[dict[str, Any]]:
        return [
            one
            for (k, n, _), one in self.stored.items()
            if k == kind and n == namespace and labels.items() <= _labels(one).items()
        ]

    def create(self, kind: str, namespace: str, body: dict[str, Any], dry: bool) -> dict[str, Any]:
        name = body.get("metadata", {}).get("name")
        if not name:
            raise Refused(422, "Invalid", "metadata.name: Required value")
        if (kind, namespace, name) in self.stored:
            raise Refused(409, "AlreadyExists", f'{kind} "{name}" already exists')
        self._check(kind, body)
        made = copy.deepcopy(body)
        made["metadata"] |= {"namespace": namespace, "uid": str(uuid.uuid4())}
        return made if dry else self._store(kind, namespace, made, "ADDED")

    def replace(
        self, kind: str, namespace: str, name: str, body: dict[str, Any], dry: bool = False
    ) -> dict[str, Any]:
        now = self.get(kind, namespace, name)
        given = body.get("metadata", {}).get("resourceVersion")
        if given and given != now["metadata"]["resourceVersion"]:
            raise Refused(409, "Conflict", f'{kind} "{name}": the object has been modified')
        self._check(kind, body)
        made = copy.deepcopy(body)
        kept = {key: now["metadata"][key] for key in _OWN if key in now["metadata"]}
        made["metadata"] = {**made.get("metadata", {}), **kept}
        return made if dry else self._store(kind, namespace, made, "MODIFIED")

    def delete(self, kind: str, namespace: str, name: str) -> dict[str, Any]:
        found = self.get(kind, namespace, name)
        if found["metadata"].get("finalizers"):
            found["metadata"].setdefault("deletionTimestamp", "2026-01-01T00:00:00Z")
            return self._store(kind, namespace, found, "MODIFIED")
        self.remove(kind, namespace, name)
        return found

    def remove(self, kind: str, namespace: str, name: str) -> None:
        gone = self.stored.pop((kind, namespace, name))
        self.events.append((kind, "DELETED", gone))
        if kind == "statefulsets":
            for pod in self._pods(gone):
                self.delete("pods", namespace, pod["metadata"]["name"])
        self.control()

    def _store(self, kind: str, namespace: str, made: dict[str, Any], event: str) -> dict[str, Any]:
        made["metadata"]["resourceVersion"] = str(next(self._versions))
        name = made["metadata"]["name"]
        self.stored[(kind, namespace, name)] = made
        self.events.append((kind, event, copy.deepcopy(made)))
        leaving = made["metadata"].get("deletionTimestamp")
        if leaving and not made["metadata"].get("finalizers"):
            self.remove(kind, namespace, name)
        elif kind in ("statefulsets", "pods"):
            self.control()
        return made

    def control(self) -> None:
        """The StatefulSet controller, with Parallel pod management."""
        for (kind, namespace, name), one in list(self.stored.items()):
            if kind != "statefulsets":
                continue
            wanted = one["spec"].get("replicas", 1)
            pods = {_ordinal(pod): pod for pod in self._pods(one)}
            for ordinal in range(wanted):
                # A pod on its way out keeps its ordinal until it is gone.
                if ordinal not in pods:
                    self._pod(one, namespace, f"{name}-{ordinal}")
            for ordinal, pod in pods.items():
                if ordinal >= wanted and not pod["metadata"].get("deletionTimestamp"):
                    self.delete("pods", namespace, pod["metadata"]["name"])
            alive = self._pods(one)
            status = {"replicas": len(alive), "readyReplicas": len(alive)}
            if one.get("status") != status:
                one["status"] = status
                one["metadata"]["resourceVersion"] = str(next(self._versions))

    def _pod(self, owner: dict[str, Any], namespace: str, name: str) -> None:
        template = owner["spec"]["template"]
        pod = copy.deepcopy(template)
        pod.setdefault("metadata", {})["name"] = name
        pod["metadata"]["namespace"] = namespace
        pod["metadata"]["ownerReferences"] = [
            {
                "apiVersion": "apps/v1",
                "kind": "StatefulSet",
                "name": owner["metadata"]["name"],
                "uid": owner["metadata"]["uid"],
                "controller": True,
            }
        ]
        self._store("pods", namespace, pod, "ADDED")

    def _pods(self, owner: dict[str, Any]) -> list[dict[str, Any]]:
        uid = owner["metadata"]["uid"]
        return [
            one
            for (kind, _, _), one in self.stored.items()
            if kind == "pods"
            and any(o["uid"] == uid for o in one["metadata"].get("ownerReferences", []))
        ]

    def _check(self, kind: str, body: dict[str, Any]) -> None:
        if kind != "statefulsets":
            return
        spec = body.get("spec", {})
        check_replicas(spec.get("replicas", 1))
        selector = spec.get("selector", {}).get("matchLabels", {})
        labels = spec.get("template", {}).get("metadata", {}).get("labels", {})
        if not selector or not selector.items() <= labels.items():
            raise Refused(422, "Invalid", "spec.template.metadata.labels: does not match selector")


def check_replicas(replicas: Any) -> None:
    """What the API server lets pass."""
    if type(replicas) is not int:
        raise Refused(422, "Invalid", "spec.replicas: must be an integer")
    if replicas < 0:
        raise Refused(422, "Invalid", "spec.replicas: must be greater than or equal to 0")


def _labels(one: dict[str, Any]) -> dict[str, str]:
    labels: dict[str, str] = one["metadata"].get("labels") or {}
    return labels


def _ordinal(pod: dict[str, Any]) -> int:
    return int(pod["metadata"]["name"].rsplit("-", 1)[1])
