"""What a gateway writes to Redis about a session and reads there, as types."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from asr_tasks.contracts.results import Segment


@dataclass(frozen=True, slots=True)
class Opening:
    """What a gateway writes about a new session."""

    model: str
    language: str = ""
    client: str = ""
    task: str = ""
    priority: int = 0
    source: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    resume_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Attached:
    """A session that this gateway owns from now on.

    Attributes:
        gateway_epoch: fences older gateways; goes with every write.
        accepted: samples that are durably in the broker.
        ended: total samples if the end of stream was decided, else None.
        assigned: whether a worker ever had it.
    """

    gateway_epoch: int
    accepted: int
    ended: int | None
    model: str
    source: str
    assigned: bool
    resume_seconds: float


@dataclass(frozen=True, slots=True)
class View:
    """A look at a live session; ``position`` is its place among those that wait, from 1."""

    state: str
    epoch: int
    gateway_epoch: int
    committed: int
    segments: int
    position: int | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What is left of an ended session."""

    state: str
    code: str
    message: str
    duration: float
    reason: str
    accepted: int
    model: str
    segments: tuple[Segment, ...]
    tokens: tuple[str, ...] = ()

    @classmethod
    def from_json(cls, text: bytes) -> Outcome:
        """Decode ``asr:result:<id>``."""
        raw = json.loads(text)
        return cls(
            state=raw["state"],
            code=raw["code"],
            message=raw["message"],
            duration=float(raw["duration"]),
            reason=raw["reason"],
            accepted=int(raw["accepted"]),
            model=raw["model"],
            segments=tuple(Segment.from_json(json.dumps(part)) for part in raw["segments"]),
            tokens=tuple(token for token in (raw["token"], raw["token_prev"]) if token),
        )

    def admits(self, token: str) -> bool:
        """Whether the token is one of the session's last two."""
        return any(hmac.compare_digest(known, digest(token)) for known in self.tokens)


def digest(token: str) -> str:
    """What Redis holds of a token."""
    return hashlib.sha256(token.encode()).hexdigest()
