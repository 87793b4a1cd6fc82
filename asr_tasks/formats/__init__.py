"""A transcript as people and programs want it: text, json, srt, vtt, ctm, csv."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from asr_tasks.contracts.jobs import Format
from asr_tasks.contracts.transcript import Transcript
from asr_tasks.formats import captions, ctm, plain, table

__all__ = ["extension", "media_type", "render"]

_RENDER: Final[dict[Format, Callable[[Transcript], str]]] = {
    "text": plain.text,
    "json": plain.json,
    "srt": captions.srt,
    "vtt": captions.vtt,
    "ctm": ctm.ctm,
    "csv": table.csv,
}
_MEDIA_TYPES: Final[dict[Format, str]] = {
    "text": "text/plain",
    "json": "application/json",
    "srt": "application/x-subrip",
    "vtt": "text/vtt",
    "ctm": "text/plain",
    "csv": "text/csv",
}
_EXTENSIONS: Final[dict[Format, str]] = {
    "text": "txt",
    "json": "json",
    "srt": "srt",
    "vtt": "vtt",
    "ctm": "ctm",
    "csv": "csv",
}


def render(transcript: Transcript, format: Format) -> str:
    """The transcript in this format, with a line's end at its end."""
    return _RENDER[format](transcript)


def media_type(format: Format) -> str:
    """For a ``Content-Type``, without the charset (it is UTF-8)."""
    return _MEDIA_TYPES[format]


def extension(format: Format) -> str:
    """Of a file's name, without the dot."""
    return _EXTENSIONS[format]
