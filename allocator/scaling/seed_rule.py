"""The seed's rule: keep `SCALING_TARGET` idle workers, looked at every `CHECK_INTERVAL`."""

from __future__ import annotations

from allocator.scaling.observation import Bounds, Observation, Plan


class SeedRule:
    """As many workers as are busy, and ``idle_workers`` more.

    It counts workers, not slots, looks at nothing but this moment, and takes no notice of sessions
    that wait. (The seed wrote ``total + (target - idle)`` and ``total - (idle - target)``: both are
    ``busy + target``.)
    """

    def __init__(self, bounds: Bounds, idle_workers: int) -> None:
        self._bounds = bounds
        self._idle_workers = idle_workers

    def plan(self, seen: Observation) -> Plan:
        busy = sum(1 for worker in seen.workers if worker.busy)
        replicas = self._bounds.clamp(busy + self._idle_workers)
        return Plan(
            replicas,
            f"{busy} workers are busy and {self._idle_workers} are to be idle: {replicas} workers.",
            {"busy_workers": busy, "idle_workers": self._idle_workers},
        )
