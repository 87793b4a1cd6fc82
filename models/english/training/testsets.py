"""What the model is tested on; nothing of it is ever trained on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from random import Random

import numpy as np
from numpy.typing import NDArray

from models.english.training import corpus, digits, kokoro
from models.english.training.voices import HELD_OUT, HELD_OUT_NATURAL

SENTENCES = Path(__file__).parents[1] / "test_sentences.txt"
NATURAL = 60
"""Sentences of the natural voice, which takes a second of work for three of speech."""


@dataclass(frozen=True, slots=True)
class Spoken:
    """float32[T] at 16 kHz and what is said in it."""

    audio: NDArray[np.float32]
    text: str


def sentences() -> list[str]:
    """200 held-out sentences, checked against all texts the committed model was trained on."""
    return SENTENCES.read_text().splitlines()


def test_sets(folder: Path, count: int) -> dict[str, list[Spoken]]:
    """The sets that can be made here, at most ``count`` utterances each.

    Their speech is kept in ``folder``, by count.
    """
    texts = sentences()[:count]
    place = folder / str(count)
    sets = {
        "known voices": corpus.test_set(place, "known", None, texts, 11),
        f"unseen voice, {HELD_OUT}": corpus.test_set(place, "unseen", HELD_OUT, texts, 12),
    }
    if kokoro.available():
        sets[f"unseen natural voice, {HELD_OUT_NATURAL}"] = corpus.test_set(
            place, "natural", HELD_OUT_NATURAL, texts[:NATURAL], 13
        )
    made = {name: [Spoken(clip.audio, clip.text) for clip in clips] for name, clips in sets.items()}
    for speaker in digits.speakers():
        if speaker.speaker == digits.HELD_OUT_SPEAKER:
            made[f"human digit strings, unseen speaker {speaker.speaker}"] = human_digits(
                speaker, count
            )
    return made


test_sets.__test__ = False  # type: ignore[attr-defined]  # pytest: this is no test


def human_digits(speaker: digits.Digits, count: int) -> list[Spoken]:
    """Strings of three to nine digits; the same ones every time."""
    random = Random(14)
    strings = [speaker.string(random, 3, 9) for _ in range(count)]
    return [Spoken(audio, text) for audio, text in strings]
