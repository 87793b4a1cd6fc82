"""Keeps the number of one model's workers what its policy wants, and touches no session."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from allocator import metrics
from allocator.scaling import journal
from allocator.scaling.fleet import Step, step
from allocator.scaling.journal import Decision
from allocator.scaling.observation import Observation, Plan, Policy
from allocator.scaling.observe import observe
from allocator.scaling.scaled import Scale, Workload
from allocator.scaling.startup import Startup
from allocator.scaling.unheard import Unheard
from allocator.store import NotLeader, Office, Store
from asr_tasks import log

_log = log.get("asr.scaling")

STEPS: Final = 3
"""In one look: cordon, look again, shrink."""


class ModelScaler:
    """One model, during one term of this leader.

    Crash at any line: nothing is remembered that the next leader needs. A cordon is seen by it and
    lifted if the worker is wanted; a workload that was told a number has been told it.

    Args:
        model: the catalogue's name.
        slots: of one of its workers.
        policy: decides; belongs to this model.
        workload: what runs the workers.
        store: where they are registered.
        office: as whom this acts; a later leader makes every change of it fail.
        may_act: whether this process still holds what else it needs; asked before each change of
            the workload, as a look may take longer than a lease lasts.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        model: str,
        slots: int,
        policy: Policy,
        workload: Workload,
        store: Store,
        office: Office,
        may_act: Callable[[], bool] = lambda: True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._model = model
        self._slots = slots
        self._policy = policy
        self._workload = workload
        self._store = store
        self._office = office
        self._may_act = may_act
        self._clock = clock
        self._startup: Startup | None = None
        self._unheard = Unheard()
        self._quiet = False
        self._drained: set[str] = set()

    async def look(self) -> Decision:
        """See, decide, act.

        Raises:
            BackendDown: Redis or the workload does not answer; nothing more was done.
            ScaleConflict: somebody else scaled it meanwhile.
            NotLeader: another one leads.
        """
        if self._startup is None:
            self._startup = Startup(await journal.startup(self._store, self._model))
        scale, seen, names = await self._see(self._startup)
        if self._startup.look(seen) and self._startup.seconds is not None:
            await journal.keep_startup(self._store, self._model, self._startup.seconds)
        plan = self._policy.plan(seen)
        wanted, reason = max(plan.replicas, self._unheard.look(seen)), plan.reason
        if wanted > plan.replicas:
            reason += f"; kept at {wanted}: nobody has heard of worker {wanted - 1} yet"
        cordoned: list[str] = []
        uncordoned: list[str] = []
        drained: list[str] = []
        for _ in range(STEPS):
            todo = step(seen, wanted)
            lifted = await self._cordon(todo.uncordon, names, False)
            closed = await self._cordon(todo.cordon, names, True)
            uncordoned += lifted
            cordoned += closed
            drained += await self._drain(todo, names)
            if not closed:
                break
            # What was idle when it was cordoned may leave at once.
            scale, seen, names = await self._see(self._startup)
        replicas = step(seen, wanted).replicas
        if replicas != scale.replicas:
            if not self._may_act():
                raise NotLeader("the lease ran out during the look")
            await self._workload.scale(self._model, replicas, scale, self._office.term)
            self._startup.order(scale.replicas, replicas, seen.at)
        decision = Decision(
            scale.replicas, plan.replicas, replicas, reason, dict(plan.figures),
            cordoned, uncordoned, drained,
        )  # fmt: skip
        await self._tell(decision, plan)
        return decision

    async def _see(self, startup: Startup) -> tuple[Scale, Observation, dict[int, str]]:
        scale = await self._workload.replicas(self._model)
        seen, names = await observe(
            self._store,
            self._model,
            at=self._clock(),
            replicas=scale.replicas,
            slots=self._slots,
            startup=startup.seconds,
        )
        return scale, seen, names

    async def _cordon(
        self, ordinals: tuple[int, ...], names: dict[int, str], cordoned: bool
    ) -> list[str]:
        changed = []
        for ordinal in ordinals:
            name = names[ordinal]
            if await self._store.cordon(name, cordoned, self._office):
                changed.append(name)
        return changed

    async def _drain(self, todo: Step, names: dict[int, str]) -> list[str]:
        drained = []
        for ordinal in todo.hand_over:
            if names[ordinal] not in self._drained:
                await self._store.drain(names[ordinal])
                drained.append(names[ordinal])
                self._drained.add(names[ordinal])
        self._drained &= {name for ordinal, name in names.items() if ordinal >= todo.replicas - 1}
        return drained

    async def _tell(self, decision: Decision, plan: Plan) -> None:
        metrics.REPLICAS.labels(self._model, "wanted").set(plan.replicas)
        metrics.REPLICAS.labels(self._model, "told").set(decision.after)
        if decision.changes:
            direction = "up" if decision.after > decision.before else "down"
            if decision.after != decision.before:
                metrics.DECISIONS.labels(self._model, direction).inc()
            _log.info(
                "scaling",
                model=self._model,
                before=decision.before,
                wanted=decision.wanted,
                after=decision.after,
                reason=decision.reason,
                cordoned=list(decision.cordoned),
                uncordoned=list(decision.uncordoned),
                drained=list(decision.drained),
            )
        await journal.keep(
            self._store, self._model, decision, instead=self._quiet and not decision.changes
        )
        self._quiet = not decision.changes
