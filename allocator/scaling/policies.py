"""From settings to a policy."""

from __future__ import annotations

from typing import Literal

from allocator.scaling.observation import Bounds, Policy
from allocator.scaling.predictive import Predictive
from allocator.scaling.schedule import Schedule
from allocator.scaling.seed_rule import SeedRule

Name = Literal["predictive", "seed"]


def build(
    name: Name,
    bounds: Bounds,
    *,
    idle_workers: int,
    chance: float,
    idle_seconds: float,
    down_seconds: float,
    schedule: Schedule | None = None,
) -> Policy:
    """A policy for one model; it remembers what it saw, so each model needs one of its own.

    Args:
        name: ``predictive``, or ``seed`` for the seed's rule, which uses ``bounds`` and
            ``idle_workers`` only.
        bounds: between how many workers.
        idle_workers: so many workers' worth of slots free at least (`SCALING_TARGET`).
        chance: with which an arriving session may have to wait for a slot, in (0, 1).
        idle_seconds: without a session for so long, a model with ``bounds.minimum`` 0 goes to zero.
        down_seconds: fewer workers only once the highest plan of so many seconds allows it, or of
            the time that a worker needs to start where that is longer.
        schedule: free slots wanted at some hours of the week.
    """
    if name == "seed":
        return SeedRule(bounds, idle_workers)
    return Predictive(
        bounds,
        idle_workers=idle_workers,
        chance=chance,
        idle_seconds=idle_seconds,
        down_seconds=down_seconds,
        schedule=schedule or Schedule(),
    )
