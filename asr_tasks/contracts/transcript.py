"""A whole transcript: what a recording's job writes and what is kept of a live session.

Times are seconds from the recording's first sample.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from asr_tasks.contracts.results import Word

TRANSCRIPT_VERSION: Final = 1
"""Version of the JSON below, written as the field ``v``."""


@dataclass(frozen=True, slots=True)
class Utterance:
    """What was said without a pause; becomes a segment, a caption, a line.

    Attributes:
        start, end: of its first and last word.
        text: the words, without leading or trailing white space.
        words: each with its times and confidence; may be empty where the recogniser gives none.
        confidence: mean over the words, [0, 1]; None where the recogniser knows none.
        channel: which channel it was heard on, from 0; None where the channels were mixed.
    """

    start: float
    end: float
    text: str
    words: tuple[Word, ...] = ()
    confidence: float | None = None
    channel: int | None = None


@dataclass(frozen=True, slots=True)
class Transcript:
    """All of a recording, in order of time.

    Attributes:
        model: the catalogue's name of the model that heard it.
        language: language tag; empty where the model has none.
        duration: of the audio, seconds.
        utterances: ordered by start, then by channel.
    """

    model: str
    language: str
    duration: float
    utterances: tuple[Utterance, ...] = ()

    @property
    def text(self) -> str:
        """All the words, one space between utterances."""
        return " ".join(utterance.text for utterance in self.utterances)

    def to_json(self) -> str:
        """JSON text, one object; :meth:`from_json` reads it."""
        return json.dumps(
            {
                "v": TRANSCRIPT_VERSION,
                "model": self.model,
                "language": self.language,
                "duration": round(self.duration, 3),
                "utterances": [_utterance_fields(one) for one in self.utterances],
            },
            ensure_ascii=False,
        )

    @classmethod
    def from_json(cls, text: str | bytes) -> Transcript:
        """Inverse of :meth:`to_json`.

        Raises:
            ValueError: not JSON of this version.
        """
        raw = json.loads(text)
        if not isinstance(raw, dict) or raw.get("v") != TRANSCRIPT_VERSION:
            raise ValueError(f"not a version {TRANSCRIPT_VERSION} transcript")
        return cls(
            model=str(raw["model"]),
            language=str(raw["language"]),
            duration=float(raw["duration"]),
            utterances=tuple(_utterance_from(one) for one in raw["utterances"]),
        )


def utterances_json(utterances: Sequence[Utterance]) -> str:
    """JSON text, one list: a part of a transcript; :func:`utterances_from` reads it."""
    return json.dumps([_utterance_fields(one) for one in utterances], ensure_ascii=False)


def utterances_from(text: str | bytes) -> tuple[Utterance, ...]:
    """Inverse of :func:`utterances_json`."""
    return tuple(_utterance_from(one) for one in json.loads(text))


def _utterance_fields(utterance: Utterance) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "start": round(utterance.start, 3),
        "end": round(utterance.end, 3),
        "text": utterance.text,
    }
    if utterance.words:
        fields["words"] = [asdict(word) for word in utterance.words]
    if utterance.confidence is not None:
        fields["confidence"] = round(utterance.confidence, 4)
    if utterance.channel is not None:
        fields["channel"] = utterance.channel
    return fields


def _utterance_from(raw: Mapping[str, Any]) -> Utterance:
    confidence = raw.get("confidence")
    channel = raw.get("channel")
    return Utterance(
        start=float(raw["start"]),
        end=float(raw["end"]),
        text=str(raw["text"]),
        words=tuple(Word(**word) for word in raw.get("words", ())),
        confidence=None if confidence is None else float(confidence),
        channel=None if channel is None else int(channel),
    )
