"""Word error rates of the demo model: `python -m models.english.training.evaluate`.

Through the very engine that serves calls (streaming, several streams together), at each latency
the model offers. Held-out sentences in the training voices; in one voice never trained on; in a
natural voice never trained on, where its packages are; and human digits of a speaker never
trained on, where their folder is.
"""

from __future__ import annotations

import argparse
import json
import os
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from random import Random

import jiwer
import numpy as np
from numpy.typing import NDArray

from asr_tasks import recognizers
from asr_tasks.catalogue import Catalogue
from asr_tasks.recognizers.base import Engine
from models.english.training import corpus, digits, kokoro
from models.english.training.voices import HELD_OUT, HELD_OUT_NATURAL

RATE = 16_000
STREAMS = 16
CHUNK = RATE // 10
CARD = Path("models/english/CARD.md")
BEGIN, END = "<!-- figures:begin -->", "<!-- figures:end -->"
CONTEXTS = [13, 6, 1]


@dataclass(frozen=True, slots=True)
class Spoken:
    """float32[T] at 16 kHz and what is said in it."""

    audio: NDArray[np.float32]
    text: str


@dataclass(frozen=True, slots=True)
class Figure:
    """One cell of the table."""

    test: str
    utterances: int
    latency: float
    word_error_rate: float


def test_sets(folder: Path, count: int) -> dict[str, list[Spoken]]:
    """The tests that can be made here."""
    sets = {
        "unseen sentences, known voices": corpus.test_set(folder, "known", None, count, 11),
        f"unseen sentences, unseen voice ({HELD_OUT})": corpus.test_set(
            folder, "unseen", HELD_OUT, count, 12
        ),
    }
    if kokoro.available():
        sets[f"unseen sentences, unseen natural voice ({HELD_OUT_NATURAL})"] = corpus.test_set(
            folder, "natural", HELD_OUT_NATURAL, min(count, 60), 13
        )
    made = {name: [Spoken(clip.audio, clip.text) for clip in clips] for name, clips in sets.items()}
    for speaker in digits.speakers():
        if speaker.speaker == digits.HELD_OUT_SPEAKER:
            random = Random(14)
            strings = [speaker.string(random, 3, 9) for _ in range(count)]
            made[f"human digits, unseen speaker ({speaker.speaker})"] = [
                Spoken(audio, text) for audio, text in strings
            ]
    return made


def transcribe(engine: Engine, spoken: Sequence[Spoken]) -> list[str]:
    """What the engine hears, as calls: in chunks of 0.1 s, several at once."""
    slots = threading.Semaphore(STREAMS)

    def one(utterance: Spoken) -> str:
        with slots:
            recogniser = engine.open(language=None, resume=None)
            try:
                audio = np.concatenate([utterance.audio, np.zeros(RATE // 2, np.float32)])
                results = []
                for at in range(0, len(audio), CHUNK):
                    results += recogniser.accept(audio[at : at + CHUNK])
                results += recogniser.finish()
            finally:
                recogniser.close()
            return " ".join(result.text for result in results if result.final)

    with ThreadPoolExecutor(STREAMS) as pool:
        return list(pool.map(one, spoken))


def evaluate(model: Path | None, folder: Path, count: int) -> list[Figure]:
    """All figures of the model the catalogue calls ``english``, or of another checkpoint."""
    entry = Catalogue.load("").get("english")
    if model is not None:
        entry = replace(entry, model=str(model.resolve()))
    sets = test_sets(folder, count)
    figures = []
    for right in CONTEXTS:
        engine = recognizers.load(replace(entry, att_context=(70, right), slots=STREAMS))
        try:
            for name, spoken in sets.items():
                heard = transcribe(engine, spoken)
                rate = jiwer.wer([s.text for s in spoken], heard)
                figures.append(
                    Figure(name, len(spoken), round((right + 1) * 0.08, 2), round(rate, 4))
                )
        finally:
            engine.close()
    return figures


def table(figures: Sequence[Figure]) -> str:
    """Markdown: a row a test, a column a latency."""
    latencies = sorted({figure.latency for figure in figures}, reverse=True)
    lines = [
        "| test | utterances | " + " | ".join(f"{lat:.2f} s" for lat in latencies) + " |",
        "| --- | ---: |" + " ---: |" * len(latencies),
    ]
    for name in dict.fromkeys(figure.test for figure in figures):
        row = {figure.latency: figure for figure in figures if figure.test == name}
        cells = " | ".join(f"{row[lat].word_error_rate:.3f}" for lat in latencies)
        lines.append(f"| {name} | {row[latencies[0]].utterances} | {cells} |")
    return "\n".join(lines)


def main() -> None:
    """Print the table; optionally write it as JSON and into the card."""
    parser = argparse.ArgumentParser(prog="evaluate", description=__doc__)
    parser.add_argument("--model", type=Path, help="another checkpoint than the catalogue's")
    parser.add_argument("--folder", type=Path, default=Path("build/model/test"))
    parser.add_argument("--count", type=int, default=200, help="utterances a test")
    parser.add_argument("--json", type=Path, help="write the figures there too")
    parser.add_argument("--update-card", action="store_true", help="write the table into the card")
    options = parser.parse_args()
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    figures = evaluate(options.model, options.folder, options.count)
    print(table(figures))
    if options.json:
        options.json.write_text(json.dumps([asdict(figure) for figure in figures], indent=1))
    if options.update_card:
        head, rest = CARD.read_text().split(BEGIN)
        tail = rest.split(END)[1]
        CARD.write_text(f"{head}{BEGIN}\n{table(figures)}\n{END}{tail}")


if __name__ == "__main__":
    main()
