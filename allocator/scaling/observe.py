"""What the scaling loop sees of one model: its workers, its queue, its traffic, from Redis."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final

from allocator.scaling.observation import Condition, Observation, WorkerSeen
from allocator.store import Store
from asr_tasks.contracts import names

_CONDITIONS: Final[Mapping[str, Condition]] = {
    "starting": "starting",
    "idle": "idle",
    "busy": "busy",
    "draining": "draining",
}


async def observe(
    store: Store, model: str, *, at: float, replicas: int, slots: int, startup: float | None
) -> tuple[Observation, dict[int, str]]:
    """One look, and the workers' names by ordinal.

    Args:
        store: where everything is.
        model: the catalogue's name.
        at: now, on this process's monotonic clock.
        replicas: what the workload is told to run.
        slots: of a worker that is still starting.
        startup: seconds a worker needs to start, if that was seen.

    Raises:
        BackendDown: Redis does not answer.
    """
    records = {
        name: record
        for name, record in (await store.workers()).items()
        if record.get("model") == model and record.get("state") in _CONDITIONS
    }
    used = await store.read_each([("SCARD", names.worker_sessions_key(one)) for one in records])
    waiting, traffic = await store.read_each(
        [
            ("ZCARD", names.waiting_key(model)),
            ("HMGET", names.traffic_key(model), "arrivals", "talked", "ended"),
        ]
    )
    found = {names.ordinal_of(name): name for name in records}
    seen = [
        _worker(names.ordinal_of(name), record, int(busy))
        for (name, record), busy in zip(records.items(), used, strict=True)
    ]
    arrivals, talked, ended = (float(value or 0) for value in traffic)
    observation = Observation(
        model=model,
        at=at,
        replicas=replicas,
        slots_per_worker=slots,
        workers=tuple(sorted(seen, key=lambda worker: worker.ordinal)),
        waiting=int(waiting),
        arrivals=int(arrivals),
        talked=talked,
        ended=int(ended),
        hour=hour_of_week(datetime.now()),
        startup=startup,
    )
    return observation, found


def hour_of_week(now: datetime) -> float:
    """0.0 on Monday at midnight, local time, up to 168.0; only schedules look at it."""
    return now.weekday() * 24 + now.hour + now.minute / 60


def slots_of(workers: Iterable[WorkerSeen], default: int) -> int:
    """What a worker of this model offers: what those that are ready do."""
    return max((worker.slots for worker in workers if worker.slots), default=default)


def _worker(ordinal: int, record: Mapping[str, str], busy: int) -> WorkerSeen:
    condition = _CONDITIONS[record["state"]]
    if record.get("cordoned") == "1" and condition != "starting":
        condition = "draining"
    slots = 0 if condition == "starting" else int(record.get("slots", 0))
    return WorkerSeen(ordinal, condition, slots, busy)
