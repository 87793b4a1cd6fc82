"""Where a session begins at this gateway."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.audio.source import Source


@dataclass(frozen=True, slots=True)
class Start:
    """Anew, or where another connection left it.

    Attributes:
        gateway_epoch: this connection's; goes with every write.
        accepted: samples that are durably in the broker.
        ended: total samples if the end of stream was decided, else None.
        next_segment: the first final that the client does not have.
        assigned: whether a worker ever had it.
        frame: samples its recogniser takes in at a time; 0: whatever comes.
        resume_seconds: how long it is kept for a client whose connection breaks.
    """

    id: str
    model: str
    source: Source
    gateway_epoch: int = 1
    accepted: int = 0
    ended: int | None = None
    next_segment: int = 0
    assigned: bool = False
    frame: int = 0
    resume_seconds: float = 0.0
