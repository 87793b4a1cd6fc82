"""Looks at every model's workers again and again, while this process leads."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from allocator import metrics
from allocator.scaling import policies
from allocator.scaling.model_scaler import ModelScaler
from allocator.scaling.observation import Bounds
from allocator.scaling.respite import Respite
from allocator.scaling.scaled import ScaleConflict, Workload, WorkloadDown
from allocator.scaling.schedule import Schedule
from allocator.settings import MonitorSettings
from allocator.store import NotLeader, Office, Store
from asr_tasks import log
from asr_tasks.contracts.errors import AsrError

_log = log.get("asr.scaling")


@dataclass(frozen=True, slots=True)
class Scaled:
    """A model whose workers are scaled.

    Attributes:
        model: the catalogue's name.
        slots: of one of its workers.
        bounds: between how many.
    """

    model: str
    slots: int
    bounds: Bounds


class ScalingLoop:
    """All models. Belongs to one asyncio loop; :meth:`look` is called by whoever leads."""

    def __init__(
        self,
        settings: MonitorSettings,
        store: Store,
        workload: Workload,
        models: Iterable[Scaled],
        may_act: Callable[[], bool] = lambda: True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Args:
        settings: of the monitor.
        store: where workers are registered.
        workload: what runs them.
        models: whose workers.
        may_act: whether this process holds what else it needs to scale (a Lease).
        clock: monotonic seconds.
        """
        self._may_act = may_act
        self._settings = settings
        self._store = store
        self._workload = workload
        self._models = list(models)
        self._schedule = Schedule.parse(settings.scaling_schedule)
        self._office: Office | None = None
        self._scalers: dict[str, ModelScaler] = {}
        self._failing: set[str] = set()
        # Not of a term: an API server that throttles is not asked more often by a new leader.
        self._respites = {
            one.model: Respite(settings.check_interval, clock) for one in self._models
        }

    async def look(self, office: Office) -> None:
        """Look at each model once; one model's failure is logged and keeps no other waiting.

        A model whose workload did not answer is left alone for a while, ever longer, and as long as
        was asked for.

        Raises:
            NotLeader: another one leads now.
        """
        if not self._may_act():
            self._office = None
            for one in self._models:
                self._failed(one.model, NotLeader("this process does not hold the lease"))
            return
        if office != self._office:
            # A new term begins with new memories: what an old leader remembers may be wrong.
            self._office = office
            self._scalers = {one.model: self._scaler(one, office) for one in self._models}
        looks = (self._look_at(model, scaler) for model, scaler in self._scalers.items())
        found = await asyncio.gather(*looks, return_exceptions=True)
        for error in found:
            if isinstance(error, BaseException):
                raise error

    def pause(self) -> float:
        """Seconds until the next look."""
        return self._settings.check_interval * random.uniform(0.9, 1.0)

    async def _look_at(self, model: str, scaler: ModelScaler) -> None:
        respite = self._respites[model]
        if not respite.over:
            return
        try:
            await scaler.look()
            respite.answered()
            self._failing.discard(model)
        except NotLeader:
            raise
        except ScaleConflict as error:
            # The next look sees what the other one did, and decides anew.
            _log.info("scaled by somebody else", model=model, error=str(error))
        except WorkloadDown as error:
            self._failed(model, error, again_in=respite.failed(error))
        except AsrError as error:
            self._failed(model, error)
        except Exception as error:
            _log.exception("looking at the workers fails", model=model)
            self._failed(model, error)

    def _failed(self, model: str, error: Exception, **more: float) -> None:
        metrics.SCALING_ERRORS.labels(model).inc()
        if model not in self._failing:
            _log.warning("workers not looked at", model=model, error=str(error), **more)
        self._failing.add(model)

    def _scaler(self, one: Scaled, office: Office) -> ModelScaler:
        settings = self._settings
        policy = policies.build(
            settings.scaling_policy,
            one.bounds,
            idle_workers=settings.scaling_target,
            chance=settings.scaling_chance,
            idle_seconds=settings.scale_to_zero_seconds,
            down_seconds=settings.scale_down_seconds,
            schedule=self._schedule,
        )
        return ModelScaler(
            one.model, one.slots, policy, self._workload, self._store, office, self._may_act
        )
