"""Our policy: what will be needed when a worker ordered now is ready."""

from __future__ import annotations

import math
from typing import Final

from allocator.scaling.chances import accepted_queue, servers_for_demand
from allocator.scaling.observation import Bounds, Observation, Plan
from allocator.scaling.schedule import Schedule
from allocator.scaling.steadying import Steadying
from allocator.scaling.traffic import Forecast, Traffic

STARTUP_SECONDS: Final = 60.0
"""What a worker is taken to need until one was seen to start."""


class Predictive:
    """Staffs for a chance of waiting, on a forecast as far ahead as a worker needs to start.

    Of the sessions there are now, some will still be there then (lengths of calls), others will
    have come (rate and slope of arrivals); both vary, and the rate is not known exactly. Erlang's
    formula on that mean and variance gives the slots with which an arrival waits with at most
    ``chance``. So the free slots follow arrivals × start-up time; the constant floor only adds.

    Args and errors: see :func:`allocator.scaling.policies.build`.
    """

    def __init__(
        self,
        bounds: Bounds,
        *,
        idle_workers: int,
        chance: float,
        idle_seconds: float,
        down_seconds: float,
        schedule: Schedule,
    ) -> None:
        if not 0.0 < chance < 1.0:
            raise ValueError(f"the chance of waiting must lie between 0 and 1, not be {chance}")
        self._bounds = bounds
        self._idle_workers = idle_workers
        self._chance = chance
        self._idle_seconds = idle_seconds
        self._schedule = schedule
        self._traffic = Traffic()
        self._steadying = Steadying(down_seconds)

    def plan(self, seen: Observation) -> Plan:
        startup = STARTUP_SECONDS if seen.startup is None else seen.startup
        horizon = startup + self._traffic.look_seconds
        forecast = self._traffic.look(seen, horizon)
        busy = sum(worker.busy for worker in seen.workers)
        size = max(1, seen.slots_per_worker)
        scheduled = self._schedule.free_slots(seen.hour, horizon / 3600.0)
        floor = max(self._idle_workers * size, scheduled)
        forecast_slots = self._slots(busy, forecast)
        # Where a chance of waiting is accepted, so is the queue that comes of it.
        accepted = accepted_queue(busy * forecast.staying + forecast.new, self._chance)
        surge = max(0.0, seen.waiting - accepted)
        slots = surge + max(forecast_slots, float(busy + floor))
        figures = {
            "busy": float(busy),
            "waiting": float(seen.waiting),
            "rate": forecast.rate,
            "call_seconds": forecast.mean_seconds or 0.0,
            "horizon": horizon,
            "chance": self._chance,
            "forecast": forecast_slots,
            "surge": surge,
            "floor": float(floor),
            "slots": slots,
        }
        if self._may_sleep(seen, scheduled):
            self._steadying.forget()
            why = f"Nobody has called for {self._idle_seconds:.0f} s, and the minimum is 0."
            return Plan(self._bounds.clamp(0), why, figures)
        wanted = self._bounds.clamp(max(1, math.ceil(slots / size - 1e-9)))
        settled = self._steadying.settle(
            seen.at, wanted, seen.replicas, startup=seen.startup or 0.0
        )
        replicas = self._bounds.clamp(settled)
        figures["wanted"] = float(wanted)
        return Plan(replicas, _reason(figures, forecast, replicas, wanted), figures)

    def _slots(self, busy: int, forecast: Forecast) -> float:
        """What is needed a horizon from now, without those who wait."""
        mean = busy * forecast.staying + forecast.new
        leaving = busy * forecast.staying * (1.0 - forecast.staying)
        slots = servers_for_demand(
            mean, leaving + forecast.new + forecast.new_error**2, self._chance
        )
        # More calls than the rate explains are the beginning of something more often than chance.
        return slots + max(0.0, busy - mean)

    def _may_sleep(self, seen: Observation, scheduled: int) -> bool:
        quiet = self._traffic.quiet_since
        return (
            self._bounds.minimum == 0
            and not scheduled
            and quiet is not None
            and seen.at - quiet >= self._idle_seconds
        )


def _reason(figures: dict[str, float], forecast: Forecast, replicas: int, wanted: int) -> str:
    """One sentence, the rule that decided first."""
    busy, waiting, floor = (int(figures[key]) for key in ("busy", "waiting", "floor"))
    there = f"{busy} busy" + (f" and {waiting} waiting" if waiting else "")
    if busy + floor >= figures["forecast"]:
        rule = f"{there}, {floor} free slots as the floor"
    else:
        kind = "a burst of" if forecast.burst else "about"
        rule = (
            f"{there}, {kind} {forecast.rate * 60:.1f} arrivals a minute, "
            f"{figures['forecast']:.1f} slots in {figures['horizon']:.0f} s "
            f"for a chance of waiting of {figures['chance']:.3g}"
        )
    if replicas > wanted:
        return f"{rule}: {wanted} workers would do, held at {replicas} for a while."
    return f"{rule}: {replicas} workers."
