"""Loudness and silence: a second stream task, on the framework's public API alone.

Emits the level of each second as a partial, and each silence longer than a second, and each
stretch of sound, as a final. Loudness is RMS in dB relative to full scale (dBFS).
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from asr_tasks.celery import app
from asr_tasks.contracts.audio import SAMPLE_RATE, seconds
from asr_tasks.contracts.lease import Checkpoint
from asr_tasks.contracts.results import Result
from asr_tasks.streaming.stream import Stream, samples

WINDOW = SAMPLE_RATE
"""Samples per measurement: one second."""

FLOOR_DB = -120.0
"""What digital silence is reported as, dBFS."""


@app.stream_task(name="asr.loudness")
def loudness(stream: Stream, *, silence_db: float = -50.0, **_: Any) -> None:
    """Measure a session's loudness.

    Args:
        stream: the session.
        silence_db: below this level, dBFS, a second counts as silent.
    """
    at = stream.checkpoint.position
    stretch = _Stretch.resume(stream.checkpoint)
    waiting = np.empty(0, np.float32)
    for chunk in stream:
        waiting = np.concatenate([waiting, samples(chunk)])
        while len(waiting) >= WINDOW:
            level = decibels(waiting[:WINDOW])
            stream.emit(
                Result(start=seconds(at), end=seconds(at + WINDOW), data={"dbfs": round(level, 1)})
            )
            silent = level < silence_db
            if silent != stretch.silent and at > stretch.start:
                stream.emit(stretch.until(at))
                stream.commit(Checkpoint(at, _Stretch(at, silent).to_bytes()))
                stretch = _Stretch(at, silent)
            stretch = _Stretch(stretch.start, silent)
            waiting, at = waiting[WINDOW:], at + WINDOW
        if stream.checkpoint_due:
            stream.commit(Checkpoint(at, stretch.to_bytes()))
    if stream.position > stretch.start:
        stream.emit(stretch.until(stream.position))


@dataclass(frozen=True, slots=True)
class _Stretch:
    """Sound or silence that goes on, from ``start`` (samples); what a successor must know."""

    start: int
    silent: bool

    @classmethod
    def resume(cls, checkpoint: Checkpoint) -> _Stretch:
        if not checkpoint.state:
            return cls(checkpoint.position, silent=False)
        return cls(**json.loads(checkpoint.state))

    def to_bytes(self) -> bytes:
        return json.dumps(asdict(self)).encode()

    def until(self, end: int) -> Result:
        text = "silence" if self.silent else "sound"
        return Result(
            text, seconds(self.start), seconds(end), final=True, data={"silent": self.silent}
        )


def decibels(audio: np.ndarray[Any, np.dtype[np.float32]]) -> float:
    """RMS of float32[T] in dBFS, not below the floor."""
    rms = float(np.sqrt(np.mean(np.square(audio, dtype=np.float64))))
    return max(FLOOR_DB, 20 * float(np.log10(rms))) if rms > 0 else FLOOR_DB
