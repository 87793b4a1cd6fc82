"""The settings of the allocator's server and of the monitor, all with the prefix ``ASR_``."""

from __future__ import annotations

import socket
import uuid
from typing import Literal

from pydantic import AliasChoices, Field

from asr_tasks.contracts.lease import ON_TRIAL
from asr_tasks.settings import Settings


def _own_name() -> str:
    """The host's name and a random tail."""
    return f"{socket.gethostname()}-{uuid.uuid4().hex[:8]}"


class AllocatorSettings(Settings):
    """What both have in common; times in seconds."""

    allocator_name: str = Field(
        default_factory=_own_name, description="Name of this process among its replicas."
    )
    max_attempts: int = Field(
        4,
        ge=ON_TRIAL,
        description="Tries of a session without a commit before it is given up; from the third on "
        "only those count in which its worker died at work on it.",
    )


class ServerSettings(AllocatorSettings):
    """The gRPC server."""

    allocator_listen: str = Field("0.0.0.0:50051", description="host:port of gRPC; port 0: any.")
    allocator_http: str = Field(
        "0.0.0.0:8081", description="host:port of health and metrics; port 0: any; empty: none."
    )
    stop_seconds: float = Field(
        5.0, ge=0, description="After SIGTERM, longest wait for calls that are being answered."
    )


class MonitorSettings(AllocatorSettings):
    """The monitor; every span is measured on this process's own monotonic clock."""

    monitor_http: str = Field(
        "0.0.0.0:8082", description="host:port of health and metrics; port 0: any; empty: none."
    )
    look_seconds: float = Field(0.25, gt=0, description="Between looks at workers and sessions.")
    grace_seconds: float = Field(
        0.1, ge=0, description="A worker whose stream broke may come back for so long."
    )
    silence_seconds: float = Field(
        3.0, gt=0, description="A worker whose beat stands still for so long is gone."
    )
    ready_seconds: float = Field(
        2.0, gt=0, description="An assigned session not claimed by then goes to another worker."
    )
    wait_seconds: float = Field(60.0, gt=0, description="Longest wait for a first worker.")
    rewait_seconds: float = Field(
        600.0, gt=0, description="Longest wait for another worker after one was lost."
    )
    scaler: Literal["none", "kubernetes"] = Field(
        "none",
        description="Who keeps the number of workers right: nobody, or the leading monitor, by the "
        "StatefulSets of its cluster.",
    )
    scaled_models: str = Field(
        "",
        description="Models whose workers are scaled, with commas between; empty: those whose "
        "max_replicas in the catalogue is above 1.",
    )
    kubeconfig: str = Field(
        "", description="File that says how to reach the cluster; empty: as a pod of it does."
    )
    kube_namespace: str = Field(
        "", description="Of the StatefulSets; empty: the pod's own, outside of one `default`."
    )
    kube_lease: str = Field("asr-monitor", description="Name of the Lease that the scaler holds.")
    kube_lease_seconds: float = Field(
        15.0, ge=13, description="A scaler whose Lease stands still for so long is replaced."
    )
    check_interval: float = Field(
        2.0,
        gt=0,
        validation_alias=AliasChoices("check_interval", "ASR_CHECK_INTERVAL", "CHECK_INTERVAL"),
        description="Between looks at the number of workers. `CHECK_INTERVAL` is read, too.",
    )
    scaling_policy: Literal["predictive", "seed"] = Field(
        "predictive",
        description="predictive: by forecast and chance of waiting; seed: ASR_SCALING_TARGET idle "
        "workers, whatever comes.",
    )
    scaling_target: int = Field(
        0,
        ge=0,
        validation_alias=AliasChoices("scaling_target", "ASR_SCALING_TARGET", "SCALING_TARGET"),
        description="Workers that are kept idle at least; the predictive policy adds to them what "
        "it foresees. `SCALING_TARGET` is read, too.",
    )
    scaling_chance: float = Field(
        0.01, gt=0, lt=1, description="With which an arriving session may have to wait for a slot."
    )
    scale_to_zero_seconds: float = Field(
        600.0,
        gt=0,
        description="Without a session for so long, a model whose min_replicas is 0 has no "
        "workers.",
    )
    scale_down_seconds: float = Field(
        30.0,
        ge=0,
        description="Fewer workers only once the plans of so long have all allowed it; the "
        "predictive policy waits at least as long as a worker was seen to need to start.",
    )
    scaling_schedule: str = Field(
        "", description="Free slots wanted at some hours, such as `mon-fri 08:00-18:00 = 40`."
    )
    leader_seconds: float = Field(
        2.0, gt=0, description="A leader whose beat stands still for so long is replaced."
    )
