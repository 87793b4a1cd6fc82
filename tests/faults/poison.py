"""A transcription that one piece of audio kills, with the process that hears it.

Given to Celery workers by `-I`; the product knows nothing of it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any, Final

import numpy as np

from asr_tasks.celery import app
from asr_tasks.contracts.audio import Chunk
from asr_tasks.streaming.stream import Stream
from asr_tasks.tasks.live import transcribe

POISON: Final = np.array([32767, -32768] * 400, "<i2").tobytes()
"""Samples that no speech contains: 50 ms of full-scale square wave at half the sample rate."""


class _Tasting:
    """The stream, looked at before the recogniser gets it."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def __iter__(self) -> Any:
        return self._tasted(self._stream)

    def joined(self, enough: float) -> Any:
        return self._tasted(self._stream.joined(enough))

    def _tasted(self, chunks: Iterable[Chunk]) -> Any:
        for chunk in chunks:
            if POISON in chunk.pcm:
                os._exit(139)  # as a segmentation fault in native code does: nothing is tidied up
            yield chunk


@app.stream_task(name="tests.poisonable")
def poisonable(stream: Stream, **parameters: Any) -> None:
    """Transcribe, and die of poison."""
    transcribe.run(_Tasting(stream), **parameters)
