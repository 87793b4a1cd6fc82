"""From a sentence and a voice to speech, with the times of its words where the voice tells them.

espeak-ng is called through its library, which reports where each word begins
(https://github.com/espeak-ng/espeak-ng/blob/master/src/include/espeak-ng/speak_lib.h); flite and
festival are called as programs; Kokoro is used if its packages are installed.
"""

from __future__ import annotations

import io
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from random import Random

import numpy as np
from numpy.typing import NDArray
from scipy.io import wavfile
from scipy.signal import resample_poly

from models.english.training import espeak, kokoro, pico
from models.english.training.voices import Voice

RATE = 16_000
PEAK = 20_000
MARGIN = 0.1
"""Seconds of silence that are kept before and after the speech."""

WordTime = tuple[str, float, float]


@dataclass(frozen=True, slots=True)
class Utterance:
    """A spoken sentence: int16[T] at 16 kHz, and its words with start and end in seconds."""

    audio: NDArray[np.int16]
    text: str
    voice: Voice
    words: tuple[WordTime, ...] = ()


def speak(text: str, voice: Voice, random: Random) -> Utterance:
    """Say one sentence.

    Raises:
        LookupError: the voice's synthesiser is not installed.
        subprocess.CalledProcessError: it failed.
    """
    match voice.engine:
        case "espeak":
            rate, audio, words = espeak.say(
                text, voice.name, random.randint(135, 195), random.randint(25, 75)
            )
        case "flite":
            rate, audio, words = *_flite(text, voice.name, random.uniform(0.85, 1.15)), ()
        case "festival":
            return festival([text], voice, random)[0]
        case "kokoro":
            rate, audio, words = *kokoro.say(text, voice.name, random.uniform(0.9, 1.2)), ()
        case "pico":
            speed, pitch = random.uniform(0.85, 1.25), random.uniform(0.72, 1.35)
            rate, audio, words = *pico.say(text, voice.name, speed, pitch), ()
        case other:
            raise LookupError(other)
    return finished(rate, audio, text, voice, words)


def festival(texts: Sequence[str], voice: Voice, random: Random) -> list[Utterance]:
    """Say several sentences with one start of festival, which is slow to start."""
    with tempfile.TemporaryDirectory() as folder:
        script = [f"(voice_{voice.name})"]
        for i, text in enumerate(texts):
            base = f"{folder}/{i}"
            script.append(
                f"(Parameter.set 'Duration_Stretch {random.uniform(0.85, 1.15):.2f})"
                f'(set! u (utt.synth (Utterance Text "{text}")))'
                f'(utt.save.wave u "{base}.wav" \'riff)'
                f'(set! fd (fopen "{base}.words" "w"))'
                f'(mapcar (lambda (w) (format fd "%s %f %f\\n" (item.name w)'
                f" (item.feat w 'word_start) (item.feat w 'word_end)))"
                f" (utt.relation.items u 'Word))(fclose fd)"
            )
        program = Path(folder) / "say.scm"
        program.write_text("\n".join(script))
        subprocess.run(["festival", "-b", str(program)], check=True, capture_output=True)
        said = []
        for i, text in enumerate(texts):
            rate, audio = read_wav((Path(folder) / f"{i}.wav").read_bytes())
            times = _festival_words((Path(folder) / f"{i}.words").read_text(), text)
            said.append(finished(rate, audio, text, voice, times))
    return said


def finished(
    rate: int,
    audio: NDArray[np.float32],
    text: str,
    voice: Voice,
    words: tuple[WordTime, ...] = (),
) -> Utterance:
    """Resample to 16 kHz, cut the silence around the speech, set the peak."""
    ratio = Fraction(RATE, rate)
    heard = resample_poly(audio, ratio.numerator, ratio.denominator) if ratio != 1 else audio
    loud = np.flatnonzero(np.abs(heard) > 0.01 * np.abs(heard).max())
    margin = int(MARGIN * RATE)
    first, last = max(0, int(loud[0]) - margin), int(loud[-1]) + 1 + margin
    cut = heard[first:last]
    shifted = tuple((word, a - first / RATE, b - first / RATE) for word, a, b in words)
    return Utterance((cut / np.abs(cut).max() * PEAK).astype(np.int16), text, voice, shifted)


def read_wav(data: bytes) -> tuple[int, NDArray[np.float32]]:
    """A mono wav file's rate and samples."""
    rate, samples = wavfile.read(io.BytesIO(data))
    return int(rate), samples.astype(np.float32)


def _flite(text: str, name: str, stretch: float) -> tuple[int, NDArray[np.float32]]:
    with tempfile.NamedTemporaryFile(suffix=".wav") as file:
        subprocess.run(
            [
                *("flite", "--setf", f"duration_stretch={stretch:.2f}"),
                *("-voice", name, "-t", text, "-o", file.name),
            ],
            check=True,
            capture_output=True,
        )
        return read_wav(Path(file.name).read_bytes())


def _festival_words(listing: str, text: str) -> tuple[WordTime, ...]:
    rows = [line.split() for line in listing.splitlines()]
    words = text.split()
    if len(rows) != len(words):
        return ()  # it read something its own way: no alignment is better than a wrong one
    return tuple((w, float(a), float(b)) for w, (_, a, b) in zip(words, rows, strict=True))
