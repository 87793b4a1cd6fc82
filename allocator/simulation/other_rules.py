"""What else people use, for comparison only: rules in the manner of HPA, KEDA and Agones."""

from __future__ import annotations

import math
from typing import Final

from allocator.scaling.observation import Bounds, Observation, Plan
from allocator.scaling.steadying import Steadying

TOLERANCE: Final = 0.1
DOWN_SECONDS: Final = 300.0
UP_SECONDS: Final = 15.0


class HorizontalPodAutoscaler:
    """``ceil(replicas x metric / target)`` on the share of slots that are busy.

    With Kubernetes' defaults: a tolerance of a tenth, down only to the highest plan of five
    minutes, up by 4 pods or to the double in 15 s, never to zero.
    """

    def __init__(self, bounds: Bounds, target: float) -> None:
        self._bounds = Bounds(max(1, bounds.minimum), bounds.maximum)
        self._target = target
        self._steadying = Steadying(DOWN_SECONDS, fraction=1.0)
        self._last: tuple[float, int] | None = None

    def plan(self, seen: Observation) -> Plan:
        slots = sum(worker.slots for worker in seen.workers)
        busy = sum(worker.busy for worker in seen.workers)
        ratio = busy / slots / self._target if slots else 1.0
        wanted = seen.replicas
        if abs(ratio - 1.0) > TOLERANCE:
            # Pods that are not ready yet count as if they did nothing, if that is upwards.
            wanted = math.ceil(sum(1 for each in seen.workers if each.slots) * ratio)
        wanted = min(wanted, self._limit(seen))
        replicas = self._steadying.settle(seen.at, self._bounds.clamp(wanted), seen.replicas)
        return Plan(replicas, f"{busy} of {slots} slots are busy", {"ratio": ratio})

    def _limit(self, seen: Observation) -> int:
        """Twice, or four more than, what there was 15 s ago."""
        if self._last is None or seen.at - self._last[0] >= UP_SECONDS:
            self._last = (seen.at, seen.replicas)
        return max(2 * self._last[1], self._last[1] + 4)


class QueueLength:
    """``ceil(queue length / target)``, as KEDA's RabbitMQ trigger has it, with its cool-down.

    The queue's length is meant kindly: sessions that are served count in it as messages that are
    not acknowledged. (With early acknowledgement KEDA would see those that wait alone.)
    """

    def __init__(self, bounds: Bounds, target: float) -> None:
        self._bounds = bounds
        self._target = target
        self._steadying = Steadying(DOWN_SECONDS, fraction=1.0)

    def plan(self, seen: Observation) -> Plan:
        length = seen.waiting + sum(worker.busy for worker in seen.workers)
        wanted = self._bounds.clamp(math.ceil(length / self._target))
        replicas = self._steadying.settle(seen.at, wanted, seen.replicas)
        return Plan(replicas, f"{length} sessions in the queue", {"length": length})


class FixedBuffer:
    """Workers with a session, and a fixed number more; Agones' buffer policy."""

    def __init__(self, bounds: Bounds, buffer: int) -> None:
        self._bounds = bounds
        self._buffer = buffer

    def plan(self, seen: Observation) -> Plan:
        allocated = sum(1 for worker in seen.workers if worker.busy)
        replicas = self._bounds.clamp(allocated + self._buffer)
        return Plan(replicas, f"{allocated} are allocated", {"allocated": allocated})
