"""What the leading monitor sees, as gauges."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from allocator import metrics
from allocator.offer import Surveyed
from allocator.store import Store
from asr_tasks.contracts import names


async def show(
    store: Store, workers: Mapping[str, Mapping[str, str]], sessions: Sequence[Surveyed]
) -> None:
    """Set them."""
    used = await store.read_each([("SCARD", names.worker_sessions_key(name)) for name in workers])
    states, slots = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
    for record, count in zip(workers.values(), used, strict=True):
        model, state = record.get("model", ""), record.get("state", "gone")
        states[model, state] += 1
        if state in ("idle", "busy"):
            slots[model, "used"] += count
            slots[model, "free"] += max(0, int(record["slots"]) - count)
    waiting = Counter(s.model for s in sessions if s.state == "waiting")
    clear()
    for (model, state), number in states.items():
        metrics.WORKERS.labels(model, state).set(number)
    for (model, state), number in slots.items():
        metrics.SLOTS.labels(model, state).set(number)
    for model, number in waiting.items():
        metrics.WAITING.labels(model).set(number)


def clear() -> None:
    """Show nothing: only the leader sees, and two monitors' sums would count everything twice."""
    for gauge in (metrics.WORKERS, metrics.SLOTS, metrics.WAITING):
        gauge.clear()
