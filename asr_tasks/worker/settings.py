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
    report_seconds: float = Field(0.5, gt=0, description="Between reports to the allocator.")
