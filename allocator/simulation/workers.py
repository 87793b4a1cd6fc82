"""The workers of one model: a StatefulSet, and the slots that the allocator gives out."""

from __future__ import annotations

from bisect import insort
from collections import deque
from collections.abc import Iterator
from heapq import heappop, heappush

from allocator.scaling.observation import Condition, WorkerSeen


class Workers:
    """Ordinals from 0; each is absent, starting or ready. No clock, no chance: told everything.

    The hot loop of the engine reads and writes the public lists; whoever changes ``usable`` or
    takes a call out calls :meth:`offer`.

    Attributes:
        slots: of each worker.
        calls: by ordinal, what it carries: call → time of its end.
        usable: by ordinal, ready and not cordoned.
        free: a heap of ordinals that may have a free slot; lowest first. Each usable worker with a
            free slot is in it, once; others are dropped when they come up.
        offered: by ordinal, whether it is in ``free``.
        ordinals: of the workers there are, ascending.
        waiting: (since, call) that nobody serves, first come first served.
    """

    def __init__(self, slots: int, most: int) -> None:
        self.slots = slots
        self.calls: list[dict[int, float]] = [{} for _ in range(most)]
        self.usable = [False] * most
        self.offered = [False] * most
        self.free: list[int] = []
        self.waiting: deque[tuple[float, int]] = deque()
        self.ordinals: list[int] = []
        self._ready = [False] * most
        self._cordoned = [False] * most
        self._generation = [0] * most
        self._there = [False] * most
        self._seen: list[WorkerSeen | None] = [None] * most

    # What the StatefulSet does.

    def missing(self, replicas: int) -> Iterator[int]:
        """Ordinals below ``replicas`` without a worker."""
        return (ordinal for ordinal in range(replicas) if not self._there[ordinal])

    def above(self, replicas: int) -> Iterator[int]:
        """Ordinals of workers from ``replicas`` on, highest first."""
        return (ordinal for ordinal in self.ordinals[::-1] if ordinal >= replicas)

    def idle(self) -> Iterator[int]:
        """Ordinals of workers without a call, the starting ones too, highest first."""
        return (ordinal for ordinal in self.above(0) if not self.calls[ordinal])

    def create(self, ordinal: int) -> int:
        """A pod starts; returns its generation, by which it is told from its successors."""
        self._there[ordinal] = True
        insort(self.ordinals, ordinal)
        return self.restart(ordinal)

    def restart(self, ordinal: int) -> int:
        """Its process starts anew; the caller has taken its calls."""
        self._ready[ordinal] = self._cordoned[ordinal] = self.usable[ordinal] = False
        self._generation[ordinal] += 1
        return self._generation[ordinal]

    def is_current(self, ordinal: int, generation: int) -> bool:
        """Whether that process is still the one there."""
        return self._there[ordinal] and self._generation[ordinal] == generation

    def ready(self, ordinal: int) -> None:
        """Its model is loaded."""
        self._ready[ordinal] = True
        self._renew(ordinal)

    def remove(self, ordinal: int) -> None:
        """The pod is gone; the caller has taken its calls."""
        self._there[ordinal] = self.usable[ordinal] = False
        self._generation[ordinal] += 1
        self.ordinals.remove(ordinal)

    # What the scaling loop does.

    def cordon(self, ordinal: int, cordoned: bool) -> None:
        """Offer its free slots no more, or again."""
        self._cordoned[ordinal] = cordoned
        self._renew(ordinal)

    def seen(self) -> tuple[WorkerSeen, ...]:
        """All that are there, as the registry shows them."""
        return tuple(map(self._look, self.ordinals))

    @property
    def busy(self) -> int:
        """How many calls they carry."""
        return sum(len(self.calls[ordinal]) for ordinal in self.ordinals)

    @property
    def alive(self) -> int:
        """How many there are."""
        return len(self.ordinals)

    def _look(self, ordinal: int) -> WorkerSeen:
        busy = len(self.calls[ordinal])
        condition: Condition
        if self._cordoned[ordinal]:
            condition = "draining"
        elif not self._ready[ordinal]:
            condition = "starting"
        else:
            condition = "busy" if busy else "idle"
        last = self._seen[ordinal]
        if last is None or last.busy != busy or last.condition != condition:
            slots = self.slots if self._ready[ordinal] else 0
            last = self._seen[ordinal] = WorkerSeen(ordinal, condition, slots, busy)
        return last

    # What the allocator does.

    def lowest_free(self) -> int | None:
        """The lowest ordinal with a free slot."""
        while self.free:
            ordinal = self.free[0]
            if self.usable[ordinal] and len(self.calls[ordinal]) < self.slots:
                return ordinal
            heappop(self.free)
            self.offered[ordinal] = False
        return None

    def offer(self, ordinal: int) -> None:
        """It may have a free slot."""
        if self.usable[ordinal] and not self.offered[ordinal]:
            self.offered[ordinal] = True
            heappush(self.free, ordinal)

    def take_all(self, ordinal: int) -> dict[int, float]:
        """The calls of a worker that is lost; the caller places them again."""
        calls, self.calls[ordinal] = self.calls[ordinal], {}
        return calls

    def _renew(self, ordinal: int) -> None:
        self.usable[ordinal] = self._ready[ordinal] and not self._cordoned[ordinal]
        self.offer(ordinal)
