"""What a stream says about its audio, and how it is written on ``result.<uuid>``.

Times are seconds from the session's first sample, on the session's clock, whatever worker
produced them. A final has an ``index`` given by the commit in Redis (0, 1, 2 …), so that two
workers can never give one index to two texts.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from typing import Any, Final

RESULT_VERSION: Final = 1
"""Version of the message format below, sent as the field ``v``."""


class Kind(StrEnum):
    """What a message on a result queue is about."""

    WORKING = "working"
    """A worker has claimed the session (field ``worker``)."""
    PARTIAL = "partial"
    """A hypothesis that may still change."""
    FINAL = "final"
    """Committed; never changes and is never said again under another index."""
    END = "end"
    """The stream is over; ``segments`` finals were committed in all."""
    FAILED = "failed"
    """The stream is over without success; ``code`` and ``message`` say why."""


@dataclass(frozen=True, slots=True)
class Word:
    """One recognised word; times in seconds, confidence in [0, 1]."""

    text: str
    start: float
    end: float
    confidence: float = 1.0


@dataclass(frozen=True, slots=True)
class Result:
    """What a stream task emits.

    Attributes:
        text: the words, without leading or trailing white space.
        start: seconds from the session's start to the first word (or to what ``data`` is about).
        end: seconds from the session's start to the end of the last word.
        final: it will not change; it is delivered only once it is committed.
        words: may be empty for partials.
        confidence: mean over the words, [0, 1]; None where the task knows none.
        data: anything a task other than transcription wants to say; JSON values only.
    """

    text: str = ""
    start: float = 0.0
    end: float = 0.0
    final: bool = False
    words: tuple[Word, ...] = ()
    confidence: float | None = None
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Segment:
    """A committed final as it lies in Redis: a result and its index in the session."""

    index: int
    result: Result

    def to_json(self) -> str:
        """JSON text, one object."""
        return json.dumps({"index": self.index, **_result_fields(self.result)})

    @classmethod
    def from_json(cls, text: str | bytes) -> Segment:
        """Inverse of :meth:`to_json`."""
        raw = json.loads(text)
        return cls(int(raw["index"]), replace(_result_from(raw), final=True))


@dataclass(frozen=True, slots=True)
class Message:
    """One message on ``result.<uuid>``: JSON, UTF-8.

    Attributes:
        kind: which of the fields below mean something.
        epoch: assignment under which it was said; a lower epoch than seen before is dropped.
        result: for PARTIAL and FINAL.
        index: for FINAL, its index; for PARTIAL, the index its final will have.
        segments: for END, the number of finals.
        duration: for END, seconds of audio that were transcribed.
        reason: for END, why the stream ended: ``eos``, ``idle`` or ``limit``.
        worker: for WORKING, the worker's name.
        code: for FAILED, a code of :mod:`asr_tasks.contracts.errors`.
        message: for FAILED, a sentence for the person who sees it.
    """

    kind: Kind
    epoch: int
    result: Result | None = None
    index: int = 0
    segments: int = 0
    duration: float = 0.0
    reason: str = ""
    worker: str = ""
    code: str = ""
    message: str = ""

    def to_bytes(self) -> bytes:
        """Encode; fields that mean nothing for the kind are left out."""
        raw: dict[str, Any] = {"v": RESULT_VERSION, "kind": self.kind, "epoch": self.epoch}
        match self.kind:
            case Kind.PARTIAL | Kind.FINAL:
                raw |= {"index": self.index, **_result_fields(self.result or Result())}
            case Kind.END:
                raw |= {
                    "segments": self.segments,
                    "duration": self.duration,
                    "reason": self.reason,
                }
            case Kind.WORKING:
                raw |= {"worker": self.worker}
            case Kind.FAILED:
                raw |= {"code": self.code, "message": self.message}
        return json.dumps(raw, separators=(",", ":")).encode()

    @classmethod
    def from_bytes(cls, body: bytes) -> Message:
        """Decode.

        Raises:
            ValueError: not JSON of this version.
        """
        raw = json.loads(body)
        if not isinstance(raw, dict) or raw.get("v") != RESULT_VERSION:
            raise ValueError(f"not a version {RESULT_VERSION} result message")
        kind = Kind(raw["kind"])
        has_result = kind in (Kind.PARTIAL, Kind.FINAL)
        result = replace(_result_from(raw), final=kind is Kind.FINAL) if has_result else None
        return cls(
            kind=kind,
            epoch=int(raw["epoch"]),
            result=result,
            index=int(raw.get("index", 0)),
            segments=int(raw.get("segments", 0)),
            duration=float(raw.get("duration", 0.0)),
            reason=str(raw.get("reason", "")),
            worker=str(raw.get("worker", "")),
            code=str(raw.get("code", "")),
            message=str(raw.get("message", "")),
        )


def _result_fields(result: Result) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "text": result.text,
        "start": round(result.start, 3),
        "end": round(result.end, 3),
    }
    if result.words:
        fields["words"] = [asdict(word) for word in result.words]
    if result.confidence is not None:
        fields["confidence"] = round(result.confidence, 4)
    if result.data:
        fields["data"] = dict(result.data)
    return fields


def _result_from(raw: Mapping[str, Any]) -> Result:
    confidence = raw.get("confidence")
    return Result(
        text=str(raw.get("text", "")),
        start=float(raw.get("start", 0.0)),
        end=float(raw.get("end", 0.0)),
        words=tuple(Word(**word) for word in raw.get("words", ())),
        confidence=None if confidence is None else float(confidence),
        data=dict(raw.get("data", {})),
    )
