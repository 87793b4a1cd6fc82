"""The objects that the HTTP API answers with, as JSON Schema for its OpenAPI document."""

from __future__ import annotations

from typing import Any, Final

from asr_tasks.contracts.jobs import CHANNELS, FORMATS, JobState

Schema = dict[str, Any]

UUID: Final = "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"


def obj(required: Schema, optional: Schema | None = None, **more: Any) -> Schema:
    """An object with these properties."""
    return {
        "type": "object",
        "properties": required | (optional or {}),
        "required": list(required),
        **more,
    }


def array(items: Schema) -> Schema:
    """A list."""
    return {"type": "array", "items": items}


def ref(name: str) -> Schema:
    """One of :data:`SCHEMAS`."""
    return {"$ref": f"#/components/schemas/{name}"}


def text(description: str = "", **more: Any) -> Schema:
    """A string."""
    return {"type": "string", **({"description": description} if description else {}), **more}


def number(description: str = "", **more: Any) -> Schema:
    """A number."""
    return {"type": "number", **({"description": description} if description else {}), **more}


def whole(description: str = "", **more: Any) -> Schema:
    """An integer."""
    return {"type": "integer", **({"description": description} if description else {}), **more}


def _or_null(schema: Schema) -> Schema:
    return {**schema, "type": [schema["type"], "null"]}


_SECONDS: Final = number("Seconds.")
_UTTERANCE: Final = obj(
    {"start": _SECONDS, "end": _SECONDS, "text": text()},
    {"words": array({"type": "object"}), "confidence": number(), "channel": whole()},
)

SCHEMAS: Final[dict[str, Schema]] = {
    "Error": obj(
        {
            "error": obj(
                {
                    "message": text("A sentence for people."),
                    "type": text("As OpenAI's API has them."),
                    "param": _or_null(text("The field that is wrong, if it is one.")),
                    "code": text("Stable; docs/protocol.md lists them."),
                }
            )
        }
    ),
    "Model": obj(
        {"id": text(), "object": text(const="model"), "created": whole(), "owned_by": text()}
    ),
    "Models": obj(
        {
            "object": text(const="list"),
            "data": array(ref("Model")),
            "models": array(
                obj(
                    {
                        "name": text(),
                        "language": text(),
                        "description": text(),
                        "available": {"type": "boolean"},
                    }
                )
            ),
            "default": text("The model of clients whose protocol cannot name one."),
        }
    ),
    "Transcription": obj(
        {"text": text()},
        {
            "usage": obj({"type": text(const="duration"), "seconds": number()}),
            "task": text(const="transcribe"),
            "language": text(),
            "duration": _SECONDS,
            "words": array(obj({"word": text(), "start": _SECONDS, "end": _SECONDS})),
            "segments": array(ref("Segment")),
        },
    ),
    "Segment": obj(
        {
            "id": whole(),
            "seek": whole("Hundredths of a second."),
            "start": _SECONDS,
            "end": _SECONDS,
            "text": text(),
            "tokens": array(whole()),
            "temperature": number(),
            "avg_logprob": number("Mean logarithm of the words' confidences."),
            "compression_ratio": number(),
            "no_speech_prob": number(),
        }
    ),
    "Job": obj(
        {
            "id": text(format="uuid"),
            "object": text(const="job"),
            "state": text(enum=[state.value for state in JobState]),
            "name": text(),
            "source": text("Empty for uploads; without password and query."),
            "target": text(),
            "model": text(),
            "language": text(),
            "format": text(enum=list(FORMATS)),
            "channels": text(enum=list(CHANNELS)),
            "webhook": text(),
            "created": number("Seconds since 1970."),
            "attempt": whole(minimum=1),
            "progress": ref("Progress"),
            "error": {
                "oneOf": [{"type": "null"}, obj({"code": text(), "message": text()})],
                "description": "Why it failed.",
            },
        }
    ),
    "Progress": obj(
        {
            "duration": number("Seconds of the recording; 0 until it was looked at."),
            "heard": number("Seconds of it that are recognised."),
            "pieces": whole("How many it was cut into so far."),
            "done": whole("How many of them are recognised."),
            "cut": {"type": "boolean", "description": "Whether pieces will not grow."},
            "elapsed": number("Seconds of work."),
            "speed": _or_null(number("Times real time.")),
            "remaining": _or_null(number("Seconds until it is done, as it goes now.")),
        }
    ),
    "Jobs": obj(
        {
            "object": text(const="list"),
            "data": array(ref("Job")),
            "has_more": {"type": "boolean"},
            "last_id": _or_null(text("`after` of the next page.")),
        }
    ),
    "Transcript": obj(
        {
            "v": whole(),
            "model": text(),
            "language": text(),
            "duration": _SECONDS,
            "utterances": array(_UTTERANCE),
        }
    ),
    "Session": obj(
        {
            "session": text(format="uuid"),
            "state": text(),
            "model": text(),
            "text": text("A final a line."),
            "segments": array(
                obj({"segment": whole(), "start": _SECONDS, "end": _SECONDS, "text": text()})
            ),
        },
        {
            "accepted": _SECONDS,
            "committed": _SECONDS,
            "code": text(),
            "message": text(),
            "duration": _SECONDS,
            "reason": text(),
        },
    ),
    "Recognition": obj(
        {"status": whole("0: success."), "id": text(format="uuid")},
        {"hypotheses": array(obj({"utterance": text()})), "message": text()},
    ),
}
