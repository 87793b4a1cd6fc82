"""Waits between tries: exponential, jittered, bounded."""

from __future__ import annotations

import random


class Backoff:
    """Seconds to wait before each next try; :meth:`reset` after a success.

    Args:
        first: the first wait is around this.
        most: no wait is longer.

    Each wait is drawn from the upper half of its range, so that a thousand workers that lost
    one broker do not come back in step.
    """

    def __init__(self, first: float = 0.05, most: float = 0.3) -> None:
        self._first = first
        self._most = most
        self._tries = 0

    def next(self) -> float:
        """The next wait, in seconds."""
        # 2**30 times anything is past the bound; the exponent must not grow for ever.
        ceiling = min(self._most, self._first * 2.0 ** min(self._tries, 30))
        self._tries += 1
        return random.uniform(ceiling / 2, ceiling)

    def reset(self) -> None:
        """Begin again with the first wait."""
        self._tries = 0
