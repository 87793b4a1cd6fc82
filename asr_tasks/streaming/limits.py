"""How long a stream may be silent, last, miss audio or wait; all on the monotonic clock."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

LEAST_CHECKPOINT: Final = 1.0
"""Seconds of audio between checkpoints at least, however small they are."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds, each with the reason for its default.

    Attributes:
        idle: without any message, not even a gateway's keep-alive (one every 5 s), the
            gateway and its client are gone: the stream ends by itself, its text kept.
        total: longest session; a day-long open microphone is a mistake, not a call.
        gap: audio is missing although later audio is here; the broker redelivers within
            milliseconds, so after this the stream fails and a successor reads it all anew.
        checkpoint: longest audio between checkpoints when no final falls due; bounds what a
            successor recognises again and what the broker must hold unacknowledged.
        checkpoint_rate: bytes a second that checkpoints of one stream may cost Redis: a small
            state is saved more often, because a successor is the sooner where it was.
        lease_check: how often ownership is looked at when there is nothing to commit.
        handover: how long a draining worker waits for the end of an utterance.
        store: how long a commit is tried again when the stream has nothing else left to do.
    """

    idle: float = 20.0
    total: float = 6 * 3600.0
    gap: float = 10.0
    checkpoint: float = 4.0
    checkpoint_rate: float = 100_000.0
    lease_check: float = 1.0
    handover: float = 6.0
    store: float = 120.0

    def checkpoint_seconds(self, state: int) -> float:
        """Audio until the next checkpoint, when the last one's state had so many bytes."""
        return min(self.checkpoint, max(LEAST_CHECKPOINT, state / self.checkpoint_rate))
