"""What a stream tells its user; times in seconds from the session's first sample."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Ready:
    """Connected, for the first time or again; ``token`` resumes the session from anywhere, its
    audio from the byte ``resume_from`` on.
    """

    session: str
    token: str
    model: str
    resumed: bool
    resume_from: int = 0


@dataclass(frozen=True, slots=True)
class Accepted:
    """Audio up to here is stored durably and will be transcribed, whatever dies."""

    bytes: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Moved:
    """``waiting`` (at ``position`` in the queue), ``assigned``, ``streaming`` or ``finishing``."""

    state: str
    position: int | None = None


@dataclass(frozen=True, slots=True)
class Partial:
    """What the present segment looks like now; may still change."""

    segment: int
    start: float
    end: float
    text: str
    data: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Final:
    """A segment that will not change; each index comes once, in order."""

    segment: int
    start: float
    end: float
    text: str
    words: list[dict[str, Any]] = field(default_factory=list)
    confidence: float | None = None
    data: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Warned:
    """The gateway put something right."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Reconnecting:
    """The connection is gone; the next try comes after ``delay`` seconds. Nothing is lost."""

    reason: str
    attempt: int
    delay: float


@dataclass(frozen=True, slots=True)
class Done:
    """Every final was delivered."""

    segments: int
    duration: float
    reason: str


Event = Ready | Accepted | Moved | Partial | Final | Warned | Reconnecting | Done


def parse(raw: dict[str, Any]) -> Event | None:
    """The event of one message of the gateway; None for one that says nothing to the user.

    ``ready``, ``going_away`` and ``error`` are the connection's; unknown types are a newer
    gateway's.
    """
    match raw.get("type"):
        case "accepted":
            return Accepted(int(raw["bytes"]), float(raw["seconds"]))
        case "state":
            return Moved(raw["state"], raw.get("position"))
        case "partial":
            return Partial(*_span(raw), raw.get("data") or {})
        case "final":
            return Final(
                *_span(raw), raw.get("words") or [], raw.get("confidence"), raw.get("data") or {}
            )
        case "warning":
            return Warned(raw["code"], raw["message"])
        case "done":
            return Done(int(raw["segments"]), float(raw["duration"]), raw["reason"])
    return None


def _span(raw: dict[str, Any]) -> tuple[int, float, float, str]:
    return int(raw["segment"]), float(raw["start"]), float(raw["end"]), str(raw["text"])
