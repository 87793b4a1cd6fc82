"""Human digits: the Free Spoken Digit Dataset (Zohar Jackson and contributors, CC BY-SA 4.0).

Joined into digit strings. Speakers are split: George is never trained on. The recordings are
not part of this repository; without their folder everything else works.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from random import Random

import numpy as np
from numpy.typing import NDArray
from scipy.io import wavfile
from scipy.signal import resample_poly

from models.english.training.vocabulary import ONES

HELD_OUT_SPEAKER = "george"
FOLDER = Path(__file__).parents[4] / "shared" / "audio" / "digits"
RATE = 16_000


@dataclass(frozen=True, slots=True)
class Digits:
    """One speaker's recordings: for each digit, float32[T] at 16 kHz with peak 0.6."""

    speaker: str
    recordings: dict[str, list[NDArray[np.float32]]]

    def string(self, random: Random, least: int, most: int) -> tuple[NDArray[np.float32], str]:
        """Some digits with pauses of 0.02 to 0.3 s between them: audio and text."""
        pieces: list[NDArray[np.float32]] = []
        words = [random.choice(ONES) for _ in range(random.randint(least, most))]
        for word in words:
            pieces.append(random.choice(self.recordings[word]) * random.uniform(0.7, 1.1))
            pieces.append(np.zeros(random.randint(RATE // 50, RATE * 3 // 10), np.float32))
        return np.concatenate(pieces), " ".join(words)


def speakers(folder: Path = FOLDER) -> list[Digits]:
    """All speakers; empty where the folder is not."""
    found: dict[str, dict[str, list[NDArray[np.float32]]]] = {}
    for path in sorted(folder.glob("*.wav")):
        digit, speaker, _ = path.stem.split("_")
        rate, samples = wavfile.read(path)
        audio = resample_poly(samples.astype(np.float32), RATE // int(rate), 1)
        scaled = (audio / np.abs(audio).max() * 0.6).astype(np.float32)
        found.setdefault(speaker, {}).setdefault(ONES[int(digit)], []).append(scaled)
    return [Digits(speaker, recordings) for speaker, recordings in found.items()]
