"""Recordings to transcribe: files of many lengths, and one of hours, from the demo recordings."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from asr_tasks.contracts.audio import SAMPLE_RATE
from tests.bench.recordings import voices

PAUSE_SECONDS = 1.0
KINDS = (("utterances", 5.0, 25.0), ("calls", 30.0, 120.0))
"""Name, shortest and longest of files, seconds: what NeMo recommends for transcribe(), and more."""


def files(
    folder: Path, shortest: float, longest: float, seconds: float, seed: int = 1
) -> list[Path]:
    """FLAC files, about ``seconds`` of audio together, of lengths evenly spread."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = random.Random(seed)
    made: list[Path] = []
    left = seconds
    while left > 0:
        length = rng.uniform(shortest, longest)
        path = folder / f"call-{len(made):03}.flac"
        soundfile.write(path, voices(len(made) + 1, length)[-1], SAMPLE_RATE)
        made.append(path)
        left -= length
    return made


def hours(path: Path, hours: float) -> Path:
    """One FLAC file of so many hours: the recordings one after the other, with pauses."""
    wanted = round(hours * 3600 * SAMPLE_RATE)
    with soundfile.SoundFile(path, "w", SAMPLE_RATE, 1, subtype="PCM_16") as file:
        for block in _endless():
            file.write(block[: wanted - file.tell()])
            if file.tell() >= wanted:
                break
    return path


def duration(path: Path) -> float:
    """Seconds of audio in a file."""
    return float(soundfile.info(path).duration)


def _endless() -> Iterator[NDArray[np.int16]]:
    pause = np.zeros(round(PAUSE_SECONDS * SAMPLE_RATE), np.int16)
    for voice in cycle(voices(7, 60.0)):
        yield voice
        yield pause
