"""The last decisions about a model's workers, kept in Redis so that anyone can be told why."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Final

from allocator.store import Store
from asr_tasks.contracts import names
from asr_tasks.rpc import worker_manager_pb2 as pb

KEPT: Final = 50
"""Decisions of a model."""


@dataclass(frozen=True, slots=True)
class Decision:
    """One change, or the reason why there was none.

    Attributes:
        before, wanted, after: workers the workload was told to run, that the policy wants, and
            that it is told to run now.
        reason: of the policy.
        figures: behind it.
        cordoned, uncordoned, drained: names of workers.
        at: seconds since the epoch, by Redis's clock.
    """

    before: int
    wanted: int
    after: int
    reason: str
    figures: Mapping[str, float] = field(default_factory=dict)
    cordoned: Sequence[str] = ()
    uncordoned: Sequence[str] = ()
    drained: Sequence[str] = ()
    at: int = 0

    @property
    def changes(self) -> bool:
        """Whether anything is done."""
        moved = self.cordoned or self.uncordoned or self.drained
        return self.before != self.after or bool(moved)


async def keep(store: Store, model: str, decision: Decision, *, instead: bool) -> None:
    """Put it before the others; ``instead`` of the newest if that changed nothing either."""
    key = names.scaling_key(model)
    now = await store.read("TIME")
    text = json.dumps({**asdict(decision), "at": int(now[0])})
    if instead:
        await store.read_each([("LPOP", key), ("LPUSH", key, text)])
    else:
        await store.read_each([("LPUSH", key, text), ("LTRIM", key, 0, KEPT - 1)])


async def startup(store: Store, model: str) -> float | None:
    """Seconds that a worker was last seen to need to start."""
    text = await store.read("GET", names.startup_key(model))
    return float(text) if text else None


async def keep_startup(store: Store, model: str, seconds: float) -> None:
    """Keep them for the next leader."""
    await store.read("SET", names.startup_key(model), f"{seconds:.1f}")


async def explain(store: Store, model: str) -> pb.ExplainScalingResponse:
    """What was decided, about one model or about all."""
    known = [model] if model else sorted(await store.read("SMEMBERS", names.MODELS_KEY))
    lists = await store.read_each([("LRANGE", names.scaling_key(one), 0, KEPT) for one in known])
    starts = await store.read_each([("GET", names.startup_key(one)) for one in known])
    return pb.ExplainScalingResponse(
        models=[
            pb.ModelScaling(
                model_name=one,
                decisions=[pb.ScalingDecision(**json.loads(text)) for text in found],
                startup=float(seconds or 0),
            )
            for one, found, seconds in zip(known, lists, starts, strict=True)
            if found
        ]
    )
