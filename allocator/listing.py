"""What there is, for operators: workers, sessions, models. Reads only."""

from __future__ import annotations

from collections import Counter

from allocator.store import Store
from asr_tasks.contracts import names
from asr_tasks.rpc import worker_manager_pb2 as pb

_FIELDS = (
    "state",
    "model",
    "worker",
    "epoch",
    "client",
    "tenant",
    "gateway",
    "priority",
    "accepted",
    "committed",
    "segments",
    "attempts",
)


async def list_workers(store: Store, model: str) -> pb.ListWorkersResponse:
    """Every worker (of a model), by name, with what is assigned to it."""
    records = await store.workers()
    chosen = [name for name, record in records.items() if model in ("", record.get("model"))]
    held = await store.read_each([("SMEMBERS", names.worker_sessions_key(w)) for w in chosen])
    flat = sorted({session for sessions in held for session in sessions})
    epochs = dict(
        zip(
            flat,
            await store.read_each([("HGET", names.session_key(s), "epoch") for s in flat]),
            strict=True,
        )
    )
    return pb.ListWorkersResponse(
        workers=[
            pb.Worker(
                worker_name=name,
                model_name=records[name].get("model", ""),
                state=records[name].get("state", "gone"),
                slots=int(records[name].get("slots", 0)),
                sessions=[
                    pb.Assignment(session=session, epoch=int(epochs[session] or 0))
                    for session in sorted(sessions)
                ],
                host=records[name].get("host", ""),
                incarnation=records[name].get("incarnation", ""),
                suspect=bool(records[name].get("suspect")),
                cordoned=records[name].get("cordoned") == "1",
            )
            for name, sessions in zip(chosen, held, strict=True)
        ]
    )


async def list_sessions(store: Store, model: str) -> pb.ListSessionsResponse:
    """Every live session (of a model)."""
    found: list[pb.Session] = []
    async for batch in store.sessions():
        rows = await store.read_each([("HMGET", names.session_key(s), *_FIELDS) for s in batch])
        for session, row in zip(batch, rows, strict=True):
            now = dict(zip(_FIELDS, (value or "" for value in row), strict=True))
            if now["state"] and model in ("", now["model"]):
                found.append(_session(session, now))
    return pb.ListSessionsResponse(sessions=sorted(found, key=lambda s: s.session))


async def list_models(store: Store) -> pb.ListModelsResponse:
    """Every model that a worker has announced, with its capacity now."""
    models = sorted(await store.read("SMEMBERS", names.MODELS_KEY))
    waiting = await store.read_each([("ZCARD", names.waiting_key(m)) for m in models])
    records = await store.workers()
    used = await store.read_each([("SCARD", names.worker_sessions_key(w)) for w in records])
    workers, slots, busy = Counter[str](), Counter[str](), Counter[str]()
    for record, count in zip(records.values(), used, strict=True):
        if record.get("state") in ("idle", "busy"):
            workers[record["model"]] += 1
            slots[record["model"]] += int(record["slots"])
            busy[record["model"]] += count
    return pb.ListModelsResponse(
        models=[
            pb.Model(
                model_name=model,
                workers=workers[model],
                slots=slots[model],
                used=busy[model],
                waiting=count,
            )
            for model, count in zip(models, waiting, strict=True)
        ]
    )


def _session(session: str, now: dict[str, str]) -> pb.Session:
    return pb.Session(
        session=session,
        state=now["state"],
        model_name=now["model"],
        worker_name=now["worker"],
        epoch=int(now["epoch"] or 0),
        client=now["client"],
        tenant=now["tenant"],
        gateway=now["gateway"],
        priority=int(now["priority"] or 0),
        accepted=int(now["accepted"] or 0),
        committed=int(now["committed"] or 0),
        segments=int(now["segments"] or 0),
        attempts=int(now["attempts"] or 0),
    )
