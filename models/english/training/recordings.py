"""Make the demo recordings: calls the model never heard, in a voice it never heard.

`python -m models.english.training.recordings`; the same seed gives the same calls.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from random import Random

import av
import numpy as np
import soundfile
from numpy.typing import NDArray
from scipy.signal import resample_poly

from models.english.training import grammar, speech
from models.english.training.voices import HELD_OUT, HELD_OUT_NATURAL, Voice

RATE = 16_000
FOLDER = Path("models/english/recordings")


@dataclass(frozen=True, slots=True)
class Call:
    """A recording: float32[T] at 16 kHz and its sentences."""

    audio: NDArray[np.float32]
    sentences: list[str]


def call(voice: Voice, sentences: int, random: Random) -> Call:
    """Some held-out sentences with pauses of 0.9 to 1.5 s, in a quiet room."""
    texts = [_sentence(random) for _ in range(sentences)]
    parts: list[NDArray[np.float32]] = [np.zeros(int(0.5 * RATE), np.float32)]
    for text in texts:
        spoken = speech.speak(text, voice, random)
        samples = spoken.audio.astype(np.float32) / 32768 * np.float32(0.7)
        parts.append(samples.astype(np.float32))
        parts.append(np.zeros(int(random.uniform(0.9, 1.5) * RATE), np.float32))
    audio = np.concatenate(parts)
    hiss = np.random.default_rng(random.getrandbits(32)).standard_normal(len(audio))
    return Call((audio + hiss * 3e-4).astype(np.float32), texts)


def main() -> None:
    """Write all of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=FOLDER)
    parser.add_argument("--seed", type=int, default=2034)
    parser.add_argument("--natural", action="store_true", help="also calls in a Kokoro voice")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    random = Random(options.seed)
    for n in range(1, 8):
        write(options.folder / f"call-{n}", call(HELD_OUT, random.randint(3, 5), random))
    demo = call(HELD_OUT, 2, random)
    write(options.folder / "demo", demo)
    if options.natural:
        write(options.folder / "natural", call(HELD_OUT_NATURAL, 4, random))
    other_formats(options.folder, demo)


def write(path: Path, made: Call) -> None:
    """One FLAC file and its text, a sentence a line."""
    soundfile.write(path.with_suffix(".flac"), made.audio, RATE, subtype="PCM_16")
    path.with_suffix(".txt").write_text("\n".join(made.sentences) + "\n")
    print(f"recordings: {path.name}, {len(made.audio) / RATE:.1f} s")


def other_formats(folder: Path, made: Call) -> None:
    """The demo call as a telephone and as a studio would send it."""
    narrow = resample_poly(made.audio, 1, 2)
    soundfile.write(folder / "demo-8k.wav", narrow, 8000, subtype="PCM_16")
    wide = resample_poly(made.audio, 441, 160).astype(np.float32)
    encode(folder / "demo-44k-stereo.mp3", np.stack([wide, wide]), 44_100, "mp3")
    ogg = resample_poly(made.audio, 3, 1).astype(np.float32)
    encode(folder / "demo.ogg", ogg[None, :], 48_000, "libopus")


def encode(path: Path, planes: NDArray[np.float32], rate: int, codec: str) -> None:
    """Compress float32[channels, T] with FFmpeg's libraries."""
    layout = "stereo" if len(planes) == 2 else "mono"
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate, layout=layout)
        stream.bit_rate = 48_000
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(planes), "fltp", layout)
        frame.sample_rate = rate
        resampler = av.AudioResampler(format=stream.format, layout=layout, rate=rate)
        for ready in resampler.resample(frame):
            container.mux(stream.encode(ready))
        container.mux(stream.encode(None))


def _sentence(random: Random) -> str:
    while True:
        text = grammar.test_sentence(random)
        if 9 <= len(text.split()) <= 14:
            return text


if __name__ == "__main__":
    main()
