"""Up at once, down slowly: a fleet that breathes with every pause would always be starting."""

from __future__ import annotations

import math
from collections import deque


class Steadying:
    """Holds plans back on the way down.

    Args:
        down_seconds: down only to the highest plan of the last so many seconds, at least.
        fraction: and by no more than this part of the workers at one look (one at least).
    """

    def __init__(self, down_seconds: float, fraction: float = 0.5) -> None:
        self._down_seconds = down_seconds
        self._fraction = fraction
        self._plans: deque[tuple[float, int]] = deque()
        """Only those that may become the highest, so highest first."""

    def settle(self, at: float, wanted: int, replicas: int, *, startup: float = 0.0) -> int:
        """What to ask for now.

        Args:
            at: when, in seconds of a clock that never goes back.
            wanted: the plan, before this.
            replicas: what the workload is told to run.
            startup: seconds that a worker was seen to need to start. One that leaves and is
                wanted again within that time has saved nothing, since its successor is paid for
                while it starts, and is missing meanwhile: so no plan is forgotten sooner.
        """
        if not self._plans:
            # Whoever planned before us may have had reasons that we have not seen yet.
            self._plans.append((at, replicas))
        while self._plans and self._plans[-1][1] <= wanted:
            self._plans.pop()
        self._plans.append((at, wanted))
        while at - self._plans[0][0] > max(self._down_seconds, startup):
            self._plans.popleft()
        if wanted >= replicas:
            return wanted
        slowest = replicas - max(1, math.floor(replicas * self._fraction))
        return min(replicas, max(self._plans[0][1], slowest))

    def forget(self) -> None:
        """Let the next plan stand for itself."""
        self._plans.clear()
