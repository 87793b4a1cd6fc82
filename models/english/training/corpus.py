"""A corpus on disk: spoken sentences, their texts and word times; made once, in parallel.

A part is ``NAME.npy`` (int16, all utterances one after the other) and ``NAME.json`` (for each:
offset, samples, text, voice, words).
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.english.training import grammar, kokoro, pico, speech
from models.english.training.speech import Utterance, WordTime
from models.english.training.voices import Voice, training_voice

PART = 1000
"""Utterances in one part; about an hour of speech."""
FESTIVAL_BATCH = 50


@dataclass(frozen=True, slots=True)
class Clip:
    """An utterance in a corpus: its audio is read from disk when asked for."""

    samples: NDArray[np.int16]
    offset: int
    length: int
    text: str
    voice: str
    words: tuple[WordTime, ...]

    @property
    def audio(self) -> NDArray[np.float32]:
        """float32[T] in [-1, 1], 16 kHz."""
        cut = self.samples[self.offset : self.offset + self.length]
        return (np.asarray(cut, np.float32) / 32768).astype(np.float32)


def load(folder: Path, pattern: str) -> list[Clip]:
    """The clips of every part whose name matches; a part that is being written is left out."""
    clips = []
    for listing in sorted(folder.glob(f"{pattern}.json")):
        samples = np.load(listing.with_suffix(".npy"), mmap_mode="r")
        for row in json.loads(listing.read_text()):
            words = tuple((w, a, b) for w, a, b in row["words"])
            clips.append(
                Clip(samples, row["offset"], row["samples"], row["text"], row["voice"], words)
            )
    return clips


def generate(folder: Path, parts: int, seed: int) -> None:
    """Make training parts that are not there yet, one process a core."""
    folder.mkdir(parents=True, exist_ok=True)
    missing = [n for n in range(parts) if not (folder / f"train-{n:03}.json").exists()]
    with ProcessPoolExecutor(max_workers=os.cpu_count()) as pool:
        for name, hours in pool.map(_training_part, [(folder, n, seed) for n in missing]):
            print(f"corpus: {name}, {hours:.2f} h", flush=True)


def test_set(
    folder: Path, name: str, voice: Voice | None, texts: Sequence[str], seed: int
) -> list[Clip]:
    """The texts in one voice, or in the training voices everybody has; made once."""
    if not (folder / f"{name}.json").exists():
        folder.mkdir(parents=True, exist_ok=True)
        random = Random(seed)
        said = []
        for text in texts:
            chosen = voice or training_voice(random, kokoro=False, pico=False)
            said.append(speech.speak(text, chosen, random))
        write(folder / name, said)
    return load(folder, name)


test_set.__test__ = False  # type: ignore[attr-defined]  # pytest: this is no test


def write(path: Path, utterances: list[Utterance]) -> None:
    """Write one part; its listing last, so that a part with a listing is whole."""
    rows: list[dict[str, Any]] = []
    offset = 0
    for spoken in utterances:
        rows.append(
            {
                "offset": offset,
                "samples": len(spoken.audio),
                "text": spoken.text,
                "voice": str(spoken.voice),
                "words": [[w, round(a, 3), round(b, 3)] for w, a, b in spoken.words],
            }
        )
        offset += len(spoken.audio)
    np.save(path.with_suffix(".npy"), np.concatenate([spoken.audio for spoken in utterances]))
    path.with_suffix(".json").write_text(json.dumps(rows))


def _training_part(job: tuple[Path, int, int]) -> tuple[str, float]:
    folder, index, seed = job
    random = Random(seed * 1000 + index)
    name = f"train-{index:03}"
    utterances = list(_speak_all(random))
    write(folder / name, utterances)
    return name, sum(len(u.audio) for u in utterances) / speech.RATE / 3600


def _speak_all(random: Random) -> Iterator[Utterance]:
    with_kokoro, with_pico = kokoro.available(), pico.available()
    festival: dict[Voice, list[str]] = {}
    for _ in range(PART):
        text = grammar.training_sentence(random)
        voice = training_voice(random, kokoro=with_kokoro, pico=with_pico)
        if voice.engine == "festival":
            festival.setdefault(voice, []).append(text)
        else:
            yield speech.speak(text, voice, random)
    for voice, texts in festival.items():
        for at in range(0, len(texts), FESTIVAL_BATCH):
            yield from speech.festival(texts[at : at + FESTIVAL_BATCH], voice, random)
