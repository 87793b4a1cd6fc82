"""From utterances to captions that can be read: at most two lines, long enough to read them.

Figures after the BBC's subtitle guidelines (https://www.bbc.co.uk/accessibility/forproducts/guides/subtitles/)
and Netflix's (https://partnerhelp.netflixstudios.com/hc/en-us/articles/217350977).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from asr_tasks.contracts.results import Word
from asr_tasks.contracts.transcript import Transcript, Utterance

LINE: Final = 42
"""Most characters in a line."""

LINES: Final = 2
SHORTEST: Final = 1.0
"""Seconds a caption stands at least, if the next one lets it."""

LONGEST: Final = 6.0
"""Seconds that a caption's words may take."""

_ENDS: Final = (".", "?", "!", "。", "？", "！")
_CLAUSES: Final = (*_ENDS, ",", ";", ":", "、", "，")


@dataclass(frozen=True, slots=True)
class Cue:
    """A caption.

    Attributes:
        start, end: seconds.
        lines: one or two.
        channel: that it was said on; None where channels were mixed.
    """

    start: float
    end: float
    lines: tuple[str, ...]
    channel: int | None = None


def cues(transcript: Transcript) -> list[Cue]:
    """Captions in order of time; those of one channel do not overlap."""
    found = [cue for utterance in transcript.utterances for cue in _of(utterance)]
    found.sort(key=lambda cue: (cue.start, cue.channel or 0))
    following: dict[int | None, float] = {}
    held: list[Cue] = []
    for cue in reversed(found):
        room = following.get(cue.channel, transcript.duration + SHORTEST)
        end = min(max(cue.end, cue.start + SHORTEST), max(room, cue.start + 0.001))
        held.append(replace(cue, end=end))
        following[cue.channel] = cue.start
    return held[::-1]


def broken(text: str) -> tuple[str, ...]:
    """One line if it fits, else two of like length, broken after a clause where there is one."""
    if len(text) <= LINE:
        return (text,)
    words = text.split(" ")
    best, least = 1, float("inf")
    for at in range(1, len(words)):
        first, second = " ".join(words[:at]), " ".join(words[at:])
        over = max(len(first) - LINE, 0) + max(len(second) - LINE, 0)
        clause = 0 if words[at - 1].endswith(_CLAUSES) else 8
        cost = 1000 * over + abs(len(first) - len(second)) + clause
        if cost < least:
            best, least = at, cost
    if len(words) == 1:
        return (text,)
    return " ".join(words[:best]), " ".join(words[best:])


def _of(utterance: Utterance) -> Iterator[Cue]:
    for words in _groups(_timed(utterance)):
        text = " ".join(word.text for word in words)
        yield Cue(words[0].start, words[-1].end, broken(text), utterance.channel)


def _timed(utterance: Utterance) -> list[Word]:
    """The words, with the utterance's time shared out by letters where they have none."""
    if utterance.words:
        return list(utterance.words)
    texts = utterance.text.split()
    letters = sum(len(text) for text in texts) or 1
    span, at, found = utterance.end - utterance.start, 0, []
    for text in texts:
        begin = utterance.start + span * at / letters
        at += len(text)
        found.append(Word(text, begin, utterance.start + span * at / letters))
    return found


def _groups(words: Sequence[Word]) -> Iterator[list[Word]]:
    group: list[Word] = []
    for word in words:
        if group and not _fits(group, word):
            yield group
            group = []
        group.append(word)
        text = " ".join(one.text for one in group)
        if word.text.endswith(_ENDS) and len(text) > LINE:
            yield group
            group = []
    if group:
        yield group


def _fits(group: Sequence[Word], word: Word) -> bool:
    if word.end - group[0].start > LONGEST:
        return False
    lines = broken(" ".join((*(one.text for one in group), word.text)))
    return all(len(line) <= LINE for line in lines)
