"""What the stand-in reads off a pod, and what a disruption budget makes of pods."""

from __future__ import annotations

from typing import Any


def ordinal(pod: dict[str, Any]) -> int:
    """Its place in the StatefulSet."""
    return int(pod["metadata"]["name"].rsplit("-", 1)[1])


def leaves(pod: dict[str, Any]) -> bool:
    """Whether it is Terminating."""
    return bool(pod["metadata"].get("deletionTimestamp"))


def ready(pod: dict[str, Any]) -> bool:
    """Running and Ready, Terminating or not: so the StatefulSet controller counts."""
    status = pod.get("status", {})
    conditions = {one["type"]: one["status"] for one in status.get("conditions", [])}
    return status.get("phase") == "Running" and conditions.get("Ready") == "True"


def guards(budget: dict[str, Any], pod: dict[str, Any]) -> bool:
    """Whether the budget is about this pod."""
    wanted = budget["spec"]["selector"]["matchLabels"].items()
    return bool(wanted <= (pod["metadata"].get("labels") or {}).items())


def budget_status(budget: dict[str, Any], pods: list[dict[str, Any]]) -> dict[str, int]:
    """How many of ``pods`` may be evicted; unlike a StatefulSet it does not count who leaves."""
    healthy = sum(ready(pod) and not leaves(pod) for pod in pods)
    least = int(budget["spec"]["minAvailable"])
    return {
        "currentHealthy": healthy,
        "desiredHealthy": least,
        "disruptionsAllowed": max(0, healthy - least),
        "expectedPods": len(pods),
        "observedGeneration": budget["metadata"]["generation"],
    }
