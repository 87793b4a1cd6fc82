"""GStreamer caps, as clients of kaldi-gstreamer-server put them into ``content-type``.

``audio/x-raw, layout=(string)interleaved, rate=(int)16000, format=(string)S16LE, channels=(int)1``;
older ones ``audio/x-raw-int, rate=16000, width=16, endianness=1234``. Often sent un-encoded, with
``+`` for the space.
"""

from __future__ import annotations

import re
from typing import Final

from asr_tasks.contracts.errors import BadParameter
from gateway.audio.source import CONTAINER, Source, number

_FIELD: Final = re.compile(r"^\s*([a-z-]+)\s*=\s*(?:\([a-z]+\))?\s*\"?([^\"]*?)\"?\s*$", re.I)
_FORMATS: Final = {
    "S16LE": "s16le", "S16BE": "s16be", "U8": "u8", "S32LE": "s32le", "F32LE": "f32le",
}  # fmt: skip
_RAW: Final = {"audio/x-raw", "audio/x-raw-int", "audio/x-raw-float"}


def parse(caps: str | None) -> Source:
    """The source that caps describe; absent, empty or another media type: a container.

    Raises:
        BadParameter: raw samples in a form that is not understood here.
    """
    text = (caps or "").replace("+", " ").strip()
    kind, *fields = re.split(r"[,;]", text)
    if kind.strip().lower() not in _RAW:
        return CONTAINER
    values = {}
    for field in fields:
        match = _FIELD.match(field)
        if match:
            values[match[1].lower()] = match[2].strip()
    if values.get("layout", "interleaved") != "interleaved":
        raise BadParameter("samples must be interleaved")
    sample = _FORMATS.get(_format(kind.strip().lower(), values))
    if sample is None:
        raise BadParameter(f"samples of the format {values.get('format')!r} are not supported")
    return Source(
        rate=number("rate", values.get("rate"), 16_000),
        channels=number("channels", values.get("channels"), 1),
        sample=sample,
    )


def _format(kind: str, values: dict[str, str]) -> str:
    if "format" in values:
        return values["format"].upper()
    width = values.get("width", "32" if kind.endswith("float") else "16")
    if kind.endswith("float"):
        return f"F{width}LE"
    if width == "8":
        return "U8"
    return f"S{width}{'BE' if values.get('endianness') == '4321' else 'LE'}"
