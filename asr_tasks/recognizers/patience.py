"""How long a ready frame may wait for company: not at all while the model has time to spare.

A step costs little more for sixteen frames than for one, so a busy model that steps whatever is
ready spends itself, and the processor others need, on small batches. Waiting a little makes them
larger. What is waited for is bounded by the latency it may cost.
"""

from __future__ import annotations

import math
from typing import Final

SPARE: Final = 0.25
"""Share of the time that the model is busy up to which nobody waits."""

FULL: Final = 0.75
"""Share from which on a frame waits as long as it may."""

MEMORY: Final = 1.0
"""Seconds over which the share is averaged."""


class Patience:
    """Measures how busy the model is; for the batcher's thread.

    Attributes:
        most: seconds that a frame waits at most.
    """

    def __init__(self, most: float) -> None:
        self.most = most
        self._busy = 0.0
        self._until = 0.0

    def stepped(self, begun: float, ended: float) -> None:
        """The model was busy from ``begun`` to ``ended`` (monotonic seconds)."""
        idle = self._at(begun)
        kept = math.exp(-(ended - begun) / MEMORY)
        self._busy = 1 - kept * (1 - idle)
        self._until = ended

    def seconds(self, now: float) -> float:
        """How long a frame may wait, by what was measured up to ``now``."""
        over = (self._at(now) - SPARE) / (FULL - SPARE)
        return self.most * min(max(over, 0.0), 1.0)

    def _at(self, now: float) -> float:
        """The share, after no step since the last."""
        return self._busy * math.exp(-max(now - self._until, 0.0) / MEMORY)
