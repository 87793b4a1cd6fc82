"""How long to wait before trying again."""

from __future__ import annotations

import random
from collections.abc import Iterator


def delays(first: float = 0.05, longest: float = 2.0) -> Iterator[float]:
    """Seconds before each further try: doubling from ``first`` to ``longest``, each drawn from
    the upper half so that many who lost the same peer do not come back together.
    """
    limit = first
    while True:
        yield random.uniform(limit / 2, limit)
        limit = min(limit * 2, longest)
