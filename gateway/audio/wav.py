"""The header of a wav file, read as it arrives, so that live wav needs neither FFmpeg nor a thread.

FFmpeg looks at 64 KB of a wav before it gives the first sample (it suspects DTS in it): two
seconds of speech at 16 kHz.
"""

from __future__ import annotations

import struct
from typing import Final

from asr_tasks.contracts.errors import BadAudio, BadParameter
from gateway.audio.source import Source

HEADER_BYTES: Final = 1 << 16
"""A header longer than this is not believed."""

_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE
_SAMPLES: Final = {(_PCM, 8): "u8", (_PCM, 16): "s16le", (_PCM, 32): "s32le", (_FLOAT, 32): "f32le"}
_UNKNOWN_SIZES: Final = (0, 0xFFFFFFFF, 0x7FFFFFFF)
"""What encoders that write to a pipe leave as the length of the data."""


class Unsupported(Exception):
    """A wav whose samples are for FFmpeg: µ-law, 24 bits, an odd rate."""


def is_wav(head: bytes) -> bool:
    """Whether the first twelve bytes are a wav's."""
    return head[:4] == b"RIFF" and head[8:12] == b"WAVE"


def parse(head: bytes) -> tuple[Source, int, int | None] | None:
    """The samples' format, where they begin, and their length in bytes if the header knows it.

    Returns:
        None while the header is not complete.

    Raises:
        BadAudio: the header is damaged or too long.
        Unsupported: leave it to FFmpeg.
    """
    at, source = 12, None
    while len(head) >= at + 8:
        kind, size = struct.unpack_from("<4sI", head, at)
        at += 8
        if kind == b"data":
            if source is None:
                raise BadAudio("the wav has data before its format")
            return source, at, None if size in _UNKNOWN_SIZES else size
        if at + size > HEADER_BYTES:
            raise BadAudio("the wav's header is too long")
        if len(head) < at + size:
            return None
        if kind == b"fmt ":
            source = _format(head[at : at + size])
        at += size + size % 2
    return None


def _format(chunk: bytes) -> Source:
    if len(chunk) < 16:
        raise BadAudio("the wav's format is incomplete")
    tag, channels, rate, _, _, bits = struct.unpack_from("<HHIIHH", chunk)
    if tag == _EXTENSIBLE and len(chunk) >= 26:
        (tag,) = struct.unpack_from("<H", chunk, 24)
    sample = _SAMPLES.get((tag, bits))
    if sample is None:
        raise Unsupported
    try:
        return Source(rate=rate, channels=channels, sample=sample)
    except BadParameter as error:
        raise Unsupported from error
