"""A worker's settings, all of them with the prefix ``ASR_``."""

from __future__ import annotations

import socket
from typing import Literal

from pydantic import Field

from asr_tasks.settings import Settings


class WorkerSettings(Settings):
    """What a worker can be told; times in seconds."""

    worker_role: Literal["stream", "batch"] = Field(
        "stream", description="stream: live sessions of one model; batch: recordings."
    )
    worker_name: str = Field(
        default_factory=socket.gethostname,
        description="Name of this worker; its Celery node is asr@NAME. In a StatefulSet the pod's.",
    )
    model: str = Field("english", description="The catalogue's name of the model it runs.")
    slots: int = Field(0, ge=0, description="Streams at a time; 0: what the catalogue says.")
    worker_http: str = Field(
        "0.0.0.0:8083",
        pattern=r"^(.+:\d+)?$",
        description="host:port of /healthz, /readyz, /metrics; port 0: any; empty: none.",
    )
    heartbeat: int = Field(
        1,
        ge=1,
        description="AMQP heartbeat of the connection that reads audio: a worker that hangs keeps "
        "its sessions' audio from their successors for two to three of these.",
    )
    drain_seconds: float = Field(
        60.0, ge=0, description="After SIGTERM, longest wait for streams to be handed over."
    )
    batch_models: str = Field(
        "",
        description="Models of a batch worker, with commas between; empty: ASR_MODEL. One model is "
        "loaded at a time.",
    )
    batch_nice: int = Field(
        10, ge=0, le=19, description="How far a batch worker steps back for everything else."
    )
    batch_threads: int = Field(
        1, ge=1, description="Of the processor, for one step of a batch worker's model."
    )
    batch_processes: int = Field(
        1, ge=1, description="Processes of a batch worker; each holds a model of its own."
    )
    batch_load: float = Field(
        0.0,
        ge=0,
        description="A batch worker rests between pieces while the machine's load, a core, is above "
        "this; 0: never. For machines that run live workers too.",
    )
    batch_stall_seconds: float = Field(
        60.0,
        gt=0,
        description="A job that stands still for so long, with nothing queued, is begun "
        "again: its messages are lost.",
    )
    report_seconds: float = Field(0.5, gt=0, description="Between reports to the allocator.")
