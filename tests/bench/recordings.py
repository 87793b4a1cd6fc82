"""What the callers say: the recordings that come with the demo model."""

from __future__ import annotations

from itertools import cycle, islice
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from asr_tasks.contracts.audio import BYTES_PER_SAMPLE, SAMPLE_RATE
from tests.support.cluster import ROOT

FOLDER = ROOT / "models" / "english" / "recordings"


def voices(count: int, seconds: float) -> list[NDArray[np.int16]]:
    """``count`` recordings of ``seconds`` s at 16 kHz, each beginning at another sentence."""
    calls = [_read(path) for path in sorted(FOLDER.glob("call-*.flac"))]
    wanted = round(seconds * SAMPLE_RATE)
    made = []
    for first in range(count):
        order = islice(cycle(calls), first % len(calls), first % len(calls) + len(calls))
        joined = np.concatenate(list(order))
        made.append(np.resize(np.roll(joined, -first * SAMPLE_RATE), wanted))
    return made


def cut(voice: NDArray[np.int16], chunk_seconds: float) -> list[bytes]:
    """PCM16LE chunks."""
    pcm = voice.astype("<i2").tobytes()
    size = round(chunk_seconds * SAMPLE_RATE) * BYTES_PER_SAMPLE
    return [pcm[at : at + size] for at in range(0, len(pcm), size)]


def _read(path: Path) -> NDArray[np.int16]:
    audio, rate = soundfile.read(path, dtype="int16")
    if rate != SAMPLE_RATE or audio.ndim != 1:
        raise ValueError(f"{path} is not 16 kHz mono")
    samples: NDArray[np.int16] = audio
    return samples
