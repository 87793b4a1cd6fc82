"""The gateway's HorizontalPodAutoscaler, watched through kubectl."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from asr_tasks.contracts.errors import AsrError

KUBECTL: Final = "kubectl"
ASK_SECONDS: Final = 10.0
LOOK_SECONDS: Final = 5.0
MOST_ROWS: Final = 2000
"""Almost three hours of looks; of a longer run the last ones."""


class HpaUnseen(AsrError):
    """The autoscaler cannot be watched."""

    code = "hpa_unseen"
    hint = "The autoscaler cannot be watched; leave --hpa out to load the gateway without it."


@dataclass(frozen=True, slots=True)
class Look:
    """What `kubectl get hpa` shows, at one moment of the run.

    Attributes:
        at: seconds since the run began.
        sessions: live at that moment.
        replicas, desired, least, most: pods; the first two as the cluster has and wants them.
        cpu, memory: per cent of what is requested; None while the cluster has not measured it.
        target_cpu, target_memory: per cent; None if the autoscaler does not look at it.
        missed: why there are no figures this time; empty: there are.
    """

    at: float
    sessions: int
    replicas: int = 0
    desired: int = 0
    least: int = 0
    most: int = 0
    cpu: int | None = None
    memory: int | None = None
    target_cpu: int | None = None
    target_memory: int | None = None
    missed: str = ""


class Hpa:
    """One autoscaler.

    Args:
        name: of the HorizontalPodAutoscaler.
        namespace: empty: kubectl's own.

    Raises:
        HpaUnseen: there is no kubectl.
    """

    def __init__(self, name: str, namespace: str) -> None:
        if shutil.which(KUBECTL) is None:
            raise HpaUnseen(
                "--hpa asks the cluster through kubectl, and there is no kubectl in the PATH: "
                "install it, or leave --hpa out"
            )
        self._ask = [KUBECTL, "get", "hpa", name, "-o", "json"]
        if namespace:
            self._ask += ["--namespace", namespace]
        self.looks: list[Look] = []

    async def look(self, at: float, sessions: int) -> Look:
        """Ask the cluster.

        Raises:
            HpaUnseen: kubectl fails or takes too long; its own last line is in it.
        """
        process = await asyncio.create_subprocess_exec(
            *self._ask, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        try:
            async with asyncio.timeout(ASK_SECONDS):
                said, complaint = await process.communicate()
        except TimeoutError:
            raise HpaUnseen(f"kubectl took longer than {ASK_SECONDS:.0f} s") from None
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if process.returncode:
            lines = complaint.decode(errors="replace").strip().splitlines()
            raise HpaUnseen(f"kubectl: {lines[-1] if lines else f'status {process.returncode}'}")
        try:
            return parse(json.loads(said), at, sessions)
        except (ValueError, KeyError, TypeError) as error:
            raise HpaUnseen(f"kubectl's answer is not an autoscaler: {error!r}") from error

    async def watch(self, elapsed: Callable[[], float], sessions: Callable[[], int]) -> None:
        """Look every few seconds until cancelled; a look that fails is kept as one that did."""
        while True:
            at, live = elapsed(), sessions()
            try:
                seen = await self.look(at, live)
            except HpaUnseen as error:
                seen = Look(at, live, missed=str(error))
            self.looks.append(seen)
            del self.looks[:-MOST_ROWS]
            await asyncio.sleep(LOOK_SECONDS)


def parse(raw: dict[str, Any], at: float, sessions: int) -> Look:
    """One object of autoscaling/v2."""
    spec, status = raw["spec"], raw.get("status", {})
    current, target = (
        _percents(status.get("currentMetrics"), "current"),
        _percents(spec.get("metrics"), "target"),
    )
    return Look(
        at=at,
        sessions=sessions,
        replicas=int(status.get("currentReplicas", 0)),
        desired=int(status.get("desiredReplicas", 0)),
        least=int(spec.get("minReplicas", 1)),
        most=int(spec["maxReplicas"]),
        cpu=current.get("cpu"),
        memory=current.get("memory"),
        target_cpu=target.get("cpu"),
        target_memory=target.get("memory"),
    )


def _percents(metrics: list[dict[str, Any]] | None, of: str) -> dict[str, int]:
    found = {}
    for metric in metrics or ():
        resource = metric.get("resource") or {}
        percent = (resource.get(of) or {}).get("averageUtilization")
        if percent is not None:
            found[str(resource["name"])] = int(percent)
    return found
