"""What the HTTP API is sent, as JSON Schema for its OpenAPI document."""

from __future__ import annotations

from typing import Any, Final

from asr_tasks.contracts.jobs import CHANNELS, FORMATS
from gateway.http.fields import NAME_LENGTH, URI_LENGTH
from gateway.http.openapi_schemas import UUID, Schema, array, obj, text
from gateway.http.transcription_request import GRANULARITIES, RESPONSE_FORMATS

_ADDRESS: Final = "(https?|s3|file)://[A-Za-z0-9.-]+/[!-~]*"
_PRINTABLE: Final = "^[ -~]*$"
_FILE: Final = text("The recording, in any format that FFmpeg reads.", format="binary")
_LANGUAGE: Final = text("Language tag, for models that know several.", maxLength=32)

_NOT_HEEDED: Final[Schema] = {
    **array(text(pattern=_PRINTABLE, maxLength=200)),
    "description": "Accepted and not heeded.",
}

TRANSCRIPTION: Final[Schema] = obj(
    {
        "file": _FILE,
        "model": text("A name from GET /v1/models.", pattern="^[!-~]+$", maxLength=NAME_LENGTH),
    },
    {
        "language": {**_LANGUAGE, "pattern": _PRINTABLE},
        "prompt": text("Accepted and not heeded.", maxLength=2000),
        "response_format": text(enum=list(RESPONSE_FORMATS), default="json"),
        "temperature": {
            "type": "number",
            "minimum": 0,
            "maximum": 1,
            "description": "Accepted and not heeded: recognition is deterministic.",
        },
        "timestamp_granularities[]": {
            **array(text(enum=list(GRANULARITIES))),
            "description": "With verbose_json only.",
        },
        "stream": {
            "type": "boolean",
            "description": "Server-sent events as text becomes known; with json or text only.",
        },
        "include[]": _NOT_HEEDED,
        "languages[]": _NOT_HEEDED,
        "keywords[]": _NOT_HEEDED,
        "known_speaker_names[]": _NOT_HEEDED,
        "known_speaker_references[]": _NOT_HEEDED,
        "chunking_strategy": text("Accepted and not heeded.", pattern=_PRINTABLE, maxLength=200),
    },
    additionalProperties=False,
)

_JOB: Final[Schema] = {
    "model": text(
        "A name from GET /v1/models; empty: the first.",
        pattern=_PRINTABLE,
        maxLength=NAME_LENGTH,
    ),
    "language": {**_LANGUAGE, "pattern": _PRINTABLE},
    "format": text("Of the target.", enum=list(FORMATS), default="json"),
    "channels": text(
        "Mix the channels, or transcribe each apart, merged in order of time.",
        enum=list(CHANNELS),
        default="mix",
    ),
    "target": text(
        "URI of a file to write, where the settings allow it.",
        maxLength=URI_LENGTH,
        pattern=f"^(|{_ADDRESS})$",
    ),
    "webhook": text(
        "URL that is told when the job is over.",
        maxLength=URI_LENGTH,
        pattern="^(|https?://[A-Za-z0-9.-]+/[!-~]*)$",
    ),
    "name": text("What people call it.", maxLength=NAME_LENGTH, pattern=_PRINTABLE),
    "id": text(
        "A UUID of your own: the same request again changes nothing.",
        pattern=f"^(|{UUID.strip('^$')})$",
    ),
}

JOB: Final[Schema] = obj(
    {
        "source": text(
            "URI of the recording; the settings say which schemes may be.",
            maxLength=URI_LENGTH,
            pattern=f"^{_ADDRESS}$",
        )
    },
    _JOB,
    additionalProperties=False,
)

JOB_FORM: Final[Schema] = obj({"file": _FILE}, _JOB, additionalProperties=False)


def body(**media: Schema) -> dict[str, Any]:
    """A request body by the short name of its type."""
    types = {"json": "application/json", "form": "multipart/form-data"}
    return {
        "required": True,
        "content": {types[name]: {"schema": schema} for name, schema in media.items()},
    }
