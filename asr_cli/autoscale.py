"""`asr up --autoscale`: workers as processes of this machine, as many as the callers need."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from allocator.scaling.loop import Scaled, ScalingLoop
from allocator.scaling.observation import Bounds
from allocator.scaling.processes import ProcessWorkload
from allocator.settings import MonitorSettings
from allocator.store import Store
from asr_tasks import log
from asr_tasks.catalogue import Entry
from asr_tasks.worker.settings import WorkerSettings

_log = log.get("asr.up")

READY_SECONDS: Final = 180.0
LOOK_SECONDS: Final = 0.2
LEAVE_SECONDS: Final = 15.0
"""Above a worker's own time to drain, until it is killed."""


@dataclass(frozen=True, slots=True)
class Scaling:
    """A model's workers on this machine.

    Attributes:
        minimum, maximum: how many.
        slots: of each; 0: what the catalogue says.
        folder: of their logs; empty: a temporary one.
    """

    minimum: int
    maximum: int
    slots: int = 0
    folder: str = ""


@contextlib.asynccontextmanager
async def scaled(
    scaling: Scaling,
    entry: Entry,
    settings: MonitorSettings,
    store: Store,
    environment: Mapping[str, str],
) -> AsyncIterator[ScalingLoop]:
    """The loop that keeps them; they leave when the block ends.

    Args:
        scaling: how many.
        entry: the model's.
        settings: of the monitor that runs the loop.
        store: where workers are registered.
        environment: where they find broker, Redis and allocator.
    """
    folder = Path(scaling.folder or tempfile.mkdtemp(prefix="asr-workers-"))
    slots = scaling.slots or entry.slots
    stop_seconds = WorkerSettings.load().drain_seconds + LEAVE_SECONDS
    workload = ProcessWorkload(
        {**environment, "ASR_SLOTS": str(slots)}, folder, stop_seconds=stop_seconds
    )
    bounds = Bounds(scaling.minimum, scaling.maximum)
    _log.info(
        "workers are scaled", model=entry.name, least=bounds.minimum, most=bounds.maximum,
        logs=str(folder),
    )  # fmt: skip
    try:
        yield ScalingLoop(settings, store, workload, [Scaled(entry.name, slots, bounds)])
    finally:
        await workload.close()


async def first_ready(store: Store, model: str) -> None:
    """Return when a worker of the model takes sessions.

    Raises:
        TimeoutError: none does in time; its log says why.
    """
    async with asyncio.timeout(READY_SECONDS):
        while True:
            records = (await store.workers()).values()
            if any(r.get("model") == model and r.get("state") in ("idle", "busy") for r in records):
                return
            await asyncio.sleep(LOOK_SECONDS)
