"""The form of ``POST /v1/audio/transcriptions``, read and checked as OpenAI's API defines it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from gateway.http import fields as values
from gateway.http.errors import BadField
from gateway.http.form import Fields
from gateway.registry import Models

RESPONSE_FORMATS: Final = ("json", "text", "srt", "verbose_json", "vtt")
STREAMED_FORMATS: Final = ("json", "text")
GRANULARITIES: Final = ("word", "segment")
HEEDED: Final = (
    "model",
    "language",
    "response_format",
    "temperature",
    "timestamp_granularities",
    "stream",
)
NOT_HEEDED: Final = (
    "prompt",
    "languages",
    "keywords",
    "include",
    "chunking_strategy",
    "known_speaker_names",
    "known_speaker_references",
)
"""What OpenAI's API knows besides, and no recogniser here: accepted, without effect."""
_LANGUAGE_LENGTH: Final = 32


@dataclass(frozen=True, slots=True)
class TranscriptionRequest:
    """What is asked for."""

    model: str
    language: str = ""
    response_format: str = "json"
    granularities: tuple[str, ...] = ("segment",)
    stream: bool = False
    temperature: float = 0.0


def check(fields: Fields, models: Models) -> None:
    """What can be wrong with some of the fields while others may still come.

    Raises:
        BadField, UnknownModel, ModelUnavailable.
    """
    parse({"model": [""], **fields}, models, complete=False)


def parse(fields: Fields, models: Models, *, complete: bool = True) -> TranscriptionRequest:
    """The request.

    Raises:
        BadField: a field is missing or has a value that is not allowed.
        UnknownModel, ModelUnavailable: nothing here answers to the model's name.
    """
    for name in fields:
        if name.partition("[")[0] not in (*HEEDED, *NOT_HEEDED):
            raise BadField(name[:64], f"there is no field {name[:64]!r}")
    model = values.text("model", values.one(fields, "model"))
    if model:
        models.get(model)
    elif complete:
        raise BadField("model", "model is missing; GET /v1/models lists them")
    temperature = values.one(fields, "temperature")
    request = TranscriptionRequest(
        model=model,
        language=values.text("language", values.one(fields, "language"), _LANGUAGE_LENGTH),
        response_format=values.choice(
            "response_format", values.one(fields, "response_format") or "json", RESPONSE_FORMATS
        ),
        granularities=tuple(
            values.choice("timestamp_granularities[]", value, GRANULARITIES)
            for value in fields.get("timestamp_granularities", ["segment"])
        ),
        stream=values.truth("stream", values.one(fields, "stream")),
        temperature=values.number("temperature", temperature, 0, 1) if temperature else 0.0,
    )
    if complete:
        _fit(request, asked="timestamp_granularities" in fields)
    return request


def _fit(request: TranscriptionRequest, *, asked: bool) -> None:
    """What cannot be said of one field alone."""
    if asked and request.response_format != "verbose_json":
        raise BadField(
            "timestamp_granularities[]",
            "timestamp_granularities[] needs response_format verbose_json",
        )
    if request.stream and request.response_format not in STREAMED_FORMATS:
        raise BadField("response_format", "with stream, response_format must be json or text")
