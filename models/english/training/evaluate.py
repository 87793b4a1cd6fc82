"""Word error rates of the demo model: `python -m models.english.training.evaluate`.

Through the very engine that serves calls (NeMo's streaming pipeline, several streams together), at
each latency the model offers, and offline for comparison. Held-out sentences in the training
voices; in one voice never trained on; in a natural voice never trained on, where its packages are;
and human digits of a speaker never trained on, where their folder is.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import jiwer

from asr_tasks import recognizers
from asr_tasks.catalogue import Catalogue
from models.english.training import network
from models.english.training.testsets import Spoken, test_sets
from models.english.training.transcripts import STREAMS, offline, streamed

CARD = Path("models/english/CARD.md")
BEGIN, END = "<!-- figures:begin -->", "<!-- figures:end -->"
CONTEXTS = [13, 6, 1]
"""Frames of look-ahead, 80 ms each; a chunk is one frame more."""
OFFLINE = "offline"


@dataclass(frozen=True, slots=True)
class Figure:
    """One cell of the table; ``mode`` is ``offline`` or the seconds of a chunk."""

    test: str
    utterances: int
    words: int
    mode: str
    word_error_rate: float


def figure(test: str, mode: str, spoken: Sequence[Spoken], heard: list[str]) -> Figure:
    """Compare what was heard with what was said."""
    said = [utterance.text for utterance in spoken]
    words = sum(len(text.split()) for text in said)
    return Figure(test, len(said), words, mode, round(jiwer.wer(said, heard), 4))


def evaluate(checkpoint: Path | None, folder: Path, count: int) -> list[Figure]:
    """All figures of the model the catalogue calls ``english``, or of another checkpoint."""
    entry = Catalogue.load("").get("english")
    if checkpoint is not None:
        entry = replace(entry, model=str(checkpoint.resolve()))
    sets = test_sets(folder, count)
    figures = []
    model = network.load(checkpoint or Path("models/english/english.nemo"))
    model.eval()
    model.encoder.set_default_att_context_size([70, CONTEXTS[0]])
    for name, spoken in sets.items():
        figures.append(figure(name, OFFLINE, spoken, offline(model, spoken)))
    for right in CONTEXTS:
        mode = f"{(right + 1) * 0.08:.2f} s"
        engine = recognizers.load(replace(entry, att_context=(70, right), slots=STREAMS))
        try:
            for name, spoken in sets.items():
                figures.append(figure(name, mode, spoken, streamed(engine, spoken)))
        finally:
            engine.close()
    return figures


def table(figures: Sequence[Figure]) -> str:
    """Markdown: a row a test, a column a mode."""
    modes = list(dict.fromkeys(figure.mode for figure in figures))
    lines = [
        "| test | utterances | words | " + " | ".join(modes) + " |",
        "| --- | ---: | ---: |" + " ---: |" * len(modes),
    ]
    for name in dict.fromkeys(figure.test for figure in figures):
        row = {figure.mode: figure for figure in figures if figure.test == name}
        cells = " | ".join(f"{row[mode].word_error_rate:.3f}" for mode in modes)
        first = row[modes[0]]
        lines.append(f"| {name} | {first.utterances} | {first.words} | {cells} |")
    return "\n".join(lines)


def main() -> None:
    """Print the table and the JSON; optionally write the table into the card."""
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
    listing = json.dumps([asdict(figure) for figure in figures], indent=1)
    print(listing)
    if options.json:
        options.json.write_text(listing + "\n")
    if options.update_card:
        CARD.write_text(with_table(CARD.read_text(), table(figures)))


def with_table(card: str, figures: str) -> str:
    """The card with the figures between their markers."""
    head, rest = card.split(BEGIN)
    tail = rest.split(END)[1]
    return f"{head}{BEGIN}\n{figures}\n{END}{tail}"


if __name__ == "__main__":
    main()
