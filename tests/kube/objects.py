"""What the stand-in keeps: objects with versions, and the controllers over its pods.

There is no kubelet: a pod stays Pending until somebody writes its status.
"""

from __future__ import annotations

import copy
import itertools
import uuid
from dataclasses import dataclass, field
from typing import Any

from tests.kube.pods import budget_status, guards, leaves, ordinal, ready

_OWN = ("name", "namespace", "uid", "generation", "deletionTimestamp")
"""What no client changes."""

_CONTROLLED = ("statefulsets", "pods", "poddisruptionbudgets")


class Refused(Exception):
    """An answer other than success."""

    def __init__(self, status: int, reason: str, message: str = "") -> None:
        super().__init__(message or reason)
        self.status, self.reason = status, reason


Key = tuple[str, str, str]
"""Kind (plural), namespace, name."""


@dataclass
class Objects:
    """Everything that lies in etcd, and what the controllers make of it."""

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
        made["metadata"] |= {"namespace": namespace, "uid": str(uuid.uuid4()), "generation": 1}
        if kind in _CONTROLLED:
            made["status"] = {"phase": "Pending"} if kind == "pods" else {}
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
        # The status is not its to write, whatever the body says.
        if kind in _CONTROLLED:
            made["status"] = copy.deepcopy(now["status"])
        if made.get("spec") != now.get("spec"):
            made["metadata"]["generation"] += 1
        return made if dry else self._store(kind, namespace, made, "MODIFIED")

    def replace_status(
        self, kind: str, namespace: str, name: str, body: dict[str, Any]
    ) -> dict[str, Any]:
        """What the subresource ``status`` takes: the status, and nothing else."""
        made = copy.deepcopy(self.get(kind, namespace, name))
        made["status"] = copy.deepcopy(body.get("status", {}))
        return self._store(kind, namespace, made, "MODIFIED")

    def evict(self, namespace: str, name: str) -> None:
        """What the subresource ``eviction`` of a pod does: ask the budget, then delete."""
        pod = self.get("pods", namespace, name)
        pending = pod.get("status", {}).get("phase") == "Pending"
        if not (pending or leaves(pod)):
            for budget in self.list("poddisruptionbudgets", namespace, {}):
                if guards(budget, pod) and budget["status"]["disruptionsAllowed"] < 1:
                    why = "Cannot evict pod as it would violate the pod's disruption budget."
                    raise Refused(429, "TooManyRequests", why)
        self.delete("pods", namespace, name)

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
        elif kind in _CONTROLLED:
            self.control()
        return made

    def control(self) -> None:
        """Both controllers act until nothing is left to do."""
        for (kind, namespace, _), one in list(self.stored.items()):
            if kind == "statefulsets":
                self._control_set(namespace, one)
            elif kind == "poddisruptionbudgets":
                pods = [pod for pod in self.list("pods", namespace, {}) if guards(one, pod)]
                self._set_status(one, budget_status(one, pods))

    def _control_set(self, namespace: str, one: dict[str, Any]) -> None:
        """With Parallel pod management. No budget is asked."""
        wanted, name = one["spec"].get("replicas", 1), one["metadata"]["name"]
        for place in range(wanted):
            # A pod on its way out keeps its ordinal until it is gone.
            if ("pods", namespace, f"{name}-{place}") not in self.stored:
                self._pod(one, namespace, f"{name}-{place}")
        for pod in self._pods(one):
            # Each deletion has the controllers act again: the rest may be gone when it returns.
            there = ("pods", namespace, pod["metadata"]["name"]) in self.stored
            if there and ordinal(pod) >= wanted and not leaves(pod):
                self.delete("pods", namespace, pod["metadata"]["name"])
        alive = self._pods(one)
        status = {
            "replicas": len(alive),
            "readyReplicas": sum(ready(pod) for pod in alive),
            "observedGeneration": one["metadata"]["generation"],
        }
        self._set_status(one, status)

    def _set_status(self, one: dict[str, Any], status: dict[str, int]) -> None:
        if one.get("status") != status:
            one["status"] = status
            one["metadata"]["resourceVersion"] = str(next(self._versions))

    def _pod(self, owner: dict[str, Any], namespace: str, name: str) -> None:
        template = owner["spec"]["template"]
        pod = copy.deepcopy(template)
        pod.setdefault("metadata", {})["name"] = name
        pod["metadata"] |= {"namespace": namespace, "uid": str(uuid.uuid4()), "generation": 1}
        pod["status"] = {"phase": "Pending"}
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
