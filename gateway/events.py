"""What a session tells its client, whatever the protocol."""

from __future__ import annotations

from dataclasses import dataclass

from asr_tasks.contracts.results import Result


@dataclass(frozen=True, slots=True)
class Accepted:
    """So many bytes of the client's stream, and seconds of audio, are durably stored."""

    bytes: int
    seconds: float


@dataclass(frozen=True, slots=True)
class StateChanged:
    """Where the session is; ``position`` among those that wait, from 1, if known."""

    state: str
    position: int | None = None


@dataclass(frozen=True, slots=True)
class PartialResult:
    """What a segment looks like now."""

    segment: int
    result: Result


@dataclass(frozen=True, slots=True)
class FinalResult:
    """A segment that will not change; each is told once, in order."""

    segment: int
    result: Result


@dataclass(frozen=True, slots=True)
class Notice:
    """Something in the client's audio that was put right."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class GoingAway:
    """This gateway will stop."""

    reconnect_ms: int


@dataclass(frozen=True, slots=True)
class Alive:
    """Nothing but a sign of life."""


@dataclass(frozen=True, slots=True)
class Done:
    """Every final was told; nothing follows. ``duration`` in seconds."""

    segments: int
    duration: float
    reason: str


@dataclass(frozen=True, slots=True)
class Failed:
    """The session is over, or lost to this connection; nothing follows."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Moved:
    """This gateway stops; the session goes on at another. Nothing follows."""


Event = (
    Accepted
    | StateChanged
    | PartialResult
    | FinalResult
    | Notice
    | GoingAway
    | Alive
    | Done
    | Failed
    | Moved
)
LAST = (Done, Failed, Moved)
"""Events after which nothing follows."""
