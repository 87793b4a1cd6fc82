"""Training batches, made anew each time: perturbed, joined, noisy."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from random import Random

import numpy as np
from numpy.typing import NDArray

from models.english.training import augment
from models.english.training.corpus import Clip
from models.english.training.digits import Digits
from models.english.training.speech import WordTime

RATE = 16_000
POOL = 64
"""Examples that are sorted by length before they are cut into batches."""
LONGEST_JOINED = 14.0
DIGIT_SHARE = 0.06


@dataclass(frozen=True, slots=True)
class Example:
    """float32[T] at 16 kHz, its text, and (for the first stage) its words and lead (seconds)."""

    audio: NDArray[np.float32]
    text: str
    words: tuple[WordTime, ...] = ()
    lead: float = 0.0


def aligned(clips: Sequence[Clip], seconds: float, random: Random) -> Iterator[list[Example]]:
    """For ever: clips with word times, with silence before them and a little noise."""
    timed = [clip for clip in clips if clip.words]

    def draw() -> Example:
        clip = random.choice(timed)
        lead = augment.silence(0.0, 0.5, random)
        audio = np.concatenate([lead, clip.audio, augment.silence(0.1, 0.4, random)])
        return Example(augment.noisy(audio, random), clip.text, clip.words, len(lead) / RATE)

    return _batches(draw, seconds, random)


def everything(
    clips: Sequence[Clip], digits: Sequence[Digits], seconds: float, random: Random
) -> Iterator[list[Example]]:
    """For ever: clips and digit strings as other mouths in other rooms would say them, some two
    in a row with a pause between, as calls have them.
    """

    def one() -> tuple[NDArray[np.float32], str]:
        if digits and random.random() < DIGIT_SHARE:
            audio, text = random.choice(digits).string(random, 3, 9)
        else:
            clip = random.choice(clips)
            audio, text = clip.audio, clip.text
        return (augment.another_mouth(audio, random) if random.random() < 0.75 else audio), text

    def draw() -> Example:
        audio, text = one()
        parts = [augment.silence(0.0, 0.6, random), audio]
        if random.random() < 0.18:
            other, more = one()
            if len(audio) + len(other) < LONGEST_JOINED * RATE:
                level = np.float32(10 ** random.uniform(-0.2, 0.2))
                parts += [augment.silence(0.4, 1.4, random), other * level]
                text = f"{text} {more}"
        parts.append(augment.silence(0.1, 0.8, random))
        return Example(augment.everything(np.concatenate(parts), random), text)

    return _batches(draw, seconds, random)


def _batches(
    draw: Callable[[], Example], seconds: float, random: Random
) -> Iterator[list[Example]]:
    while True:
        pool = sorted((draw() for _ in range(POOL)), key=lambda example: len(example.audio))
        ready: list[list[Example]] = [[]]
        for example in pool:
            batch = ready[-1]
            if batch and len(example.audio) * (len(batch) + 1) > seconds * RATE:
                ready.append([])
            ready[-1].append(example)
        random.shuffle(ready)
        yield from ready
