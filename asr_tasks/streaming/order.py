"""Audio in order: every sample once, whatever the broker delivers first.

RabbitMQ hands back what a dead consumer held, complete but not always before newer messages,
and a gateway that resumes may send again with other cuts. Position decides, always.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence
from itertools import count

from asr_tasks.contracts.audio import Chunk
from asr_tasks.transport.base import Delivery


class Reorderer:
    """Turns deliveries into chunks without gap or overlap, from ``position`` on.

    It also remembers which deliveries carry audio that is not committed yet, because only
    those may still be needed by a successor.

    Attributes:
        position: the next sample that is wanted.
    """

    def __init__(self, position: int) -> None:
        self.position = position
        self._early: list[tuple[int, int, Chunk]] = []
        self._tie = count()
        self._held: list[Delivery] = []

    @property
    def gap(self) -> bool:
        """Whether audio after ``position`` is here but audio at ``position`` is not."""
        return bool(self._early) and self._early[0][0] > self.position

    @property
    def waiting(self) -> int:
        """Samples that are here and not handed out yet; what came twice counts twice."""
        return sum(chunk.samples for _, _, chunk in self._early)

    def push(self, delivery: Delivery) -> None:
        """Take in one delivery, of any position."""
        self._held.append(delivery)
        chunk = delivery.chunk
        if chunk.eos or chunk.end > self.position:
            heapq.heappush(self._early, (chunk.start, next(self._tie), chunk))

    def ready(self) -> Iterator[Chunk]:
        """The chunks that follow on ``position`` now; the end of stream last, if reached."""
        while self._early and self._early[0][0] <= self.position:
            _, _, chunk = heapq.heappop(self._early)
            if chunk.eos:
                yield Chunk(self.position, eos=True)
                return
            fresh = chunk.after(self.position)
            if fresh.samples:
                self.position = fresh.end
                yield fresh

    def settled(self, committed: int) -> list[Delivery]:
        """Deliveries no successor at ``committed`` needs, to be acknowledged; they are forgotten.

        The end of stream is needed until the session has ended: a successor must see it too.
        """
        done: list[Delivery] = []
        needed: list[Delivery] = []
        for delivery in self._held:
            (needed if _is_needed(delivery.chunk, committed) else done).append(delivery)
        self._held = needed
        return done

    def everything(self) -> list[Delivery]:
        """All deliveries still held, for the end of the session; they are forgotten."""
        held, self._held = self._held, []
        return held


def joined(chunks: Iterable[Chunk], enough: int) -> Iterator[Chunk]:
    """The same audio in fewer chunks: nothing more is joined to one of ``enough`` samples.

    Args:
        chunks: each begins where the one before ended.
        enough: samples, 16 kHz.
    """
    parts: list[Chunk] = []
    for chunk in chunks:
        if parts and (chunk.eos or parts[-1].end - parts[0].start >= enough):
            yield _whole(parts)
            parts = []
        if chunk.eos:
            yield chunk
        else:
            parts.append(chunk)
    if parts:
        yield _whole(parts)


def _whole(parts: Sequence[Chunk]) -> Chunk:
    return parts[0] if len(parts) == 1 else Chunk(parts[0].start, b"".join(p.pcm for p in parts))


def _is_needed(chunk: Chunk, committed: int) -> bool:
    return chunk.eos or (chunk.samples > 0 and chunk.end > committed)
