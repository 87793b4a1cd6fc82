"""A chunk as an AMQP message: three headers and the samples."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from asr_tasks.contracts.audio import AUDIO_VERSION, BYTES_PER_SAMPLE, Chunk
from asr_tasks.contracts.names import HEADER_EOS, HEADER_START, HEADER_VERSION


def headers_of(chunk: Chunk) -> dict[str, Any]:
    """The headers; the body is ``chunk.pcm``."""
    headers: dict[str, Any] = {HEADER_VERSION: AUDIO_VERSION, HEADER_START: chunk.start}
    if chunk.eos:
        headers[HEADER_EOS] = True
    return headers


def chunk_from(headers: Mapping[str, Any], body: bytes) -> Chunk:
    """Inverse of :func:`headers_of`.

    Raises:
        ValueError: not an audio message of this version.
    """
    if headers.get(HEADER_VERSION) != AUDIO_VERSION:
        raise ValueError(f"not a version {AUDIO_VERSION} audio message")
    start = headers.get(HEADER_START)
    if not isinstance(start, int) or start < 0:
        raise ValueError(f"start is {start!r}, not a sample position")
    if len(body) % BYTES_PER_SAMPLE:
        raise ValueError(f"{len(body)} bytes are not whole samples")
    return Chunk(start, body, bool(headers.get(HEADER_EOS, False)))
