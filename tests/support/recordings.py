"""Recordings whose transcript is known: noise, that the catalogue's kind ``echo`` says sums of."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
import soundfile

from asr_tasks.contracts.transcript import Transcript

RATE = 16_000
ECHO = '[models.echo]\nkind = "echo"\nlanguage = "en"\n'


def noise(seconds: float, seed: int = 1, channels: int = 1) -> np.ndarray:
    """int16[T, C]; a pause each 21 s."""
    audio = np.random.default_rng(seed).integers(-9000, 9000, (int(seconds * RATE), channels))
    audio = audio.astype(np.int16)
    for at in range(20, int(seconds), 21):
        audio[at * RATE : int((at + 0.5) * RATE)] = 0
    return audio


def recording(path: Path, seconds: float, seed: int = 1, channels: int = 1) -> Path:
    """A file of it, of the kind that its name says."""
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, noise(seconds, seed, channels), RATE, subtype="PCM_16")
    return path


def seconds_said(transcript: Transcript, audio: np.ndarray) -> float:
    """Seconds of the audio that the transcript says; every word of it is right."""
    said = 0.0
    for utterance in transcript.utterances:
        for word in utterance.words:
            part = audio[round(word.start * RATE) : round(word.end * RATE), utterance.channel or 0]
            assert word.text == f"{zlib.crc32(part.tobytes()):08x}"
            said += word.end - word.start
    return said
