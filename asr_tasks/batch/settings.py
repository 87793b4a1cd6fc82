"""A batch worker's settings, all of them with the prefix ``ASR_``."""

from __future__ import annotations

import socket

from pydantic import Field

from asr_tasks.settings import Settings


class BatchSettings(Settings):
    """What a batch worker can be told; times in seconds."""

    worker_name: str = Field(
        default_factory=socket.gethostname,
        description="Name of this worker; its Celery node is batch@NAME.",
    )
    model: str = Field("english", description="The catalogue's name of the model it runs.")
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
        description="A batch worker rests between pieces while the machine's load, a core, is "
        "above this; 0: never. For machines that run live workers too.",
    )
    caretaker_seconds: float = Field(5.0, gt=0, description="Between looks at the jobs.")
    batch_stall_seconds: float = Field(
        60.0,
        gt=0,
        description="A job that stands still for so long, with nothing queued, is begun "
        "again: its messages are lost.",
    )

    @property
    def models(self) -> list[str]:
        """Names of the models whose recordings it takes."""
        named = [name.strip() for name in self.batch_models.split(",") if name.strip()]
        return named or [self.model]
