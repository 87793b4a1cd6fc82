"""NIST's time-marked conversation format, for scoring with sclite.

A word a line: recording, channel, start, length, word, confidence.
https://github.com/usnistgov/SCTK/blob/master/doc/infmts.htm
"""

from __future__ import annotations

from collections.abc import Iterator

from asr_tasks.contracts.results import Word
from asr_tasks.contracts.transcript import Transcript, Utterance

RECORDING = "recording"


def ctm(transcript: Transcript) -> str:
    """Sorted by channel and time, as sclite wants it; channels are A, B and so on."""
    lines = [
        (chr(ord("A") + (utterance.channel or 0)), word)
        for utterance in transcript.utterances
        for word in _words(utterance)
    ]
    lines.sort(key=lambda line: (line[0], line[1].start))
    return "".join(
        f"{RECORDING} {channel} {word.start:.3f} {word.end - word.start:.3f} "
        f"{word.text} {word.confidence:.4f}\n"
        for channel, word in lines
    )


def _words(utterance: Utterance) -> Iterator[Word]:
    if utterance.words:
        yield from utterance.words
        return
    # No times of words: the utterance's own, shared out.
    texts = utterance.text.split()
    step = (utterance.end - utterance.start) / max(len(texts), 1)
    for place, text in enumerate(texts):
        begin = utterance.start + place * step
        yield Word(
            text, begin, begin + step, 1.0 if utterance.confidence is None else utterance.confidence
        )
