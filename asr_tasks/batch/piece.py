"""From a piece's words to its utterances, on the recording's clock."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from asr_tasks.contracts.results import Word
from asr_tasks.contracts.transcript import Utterance

PAUSE: Final = 0.8
"""Seconds between two words that end an utterance, as in the live streams."""


def utterances(words: Sequence[Word], offset: float, channel: int | None = None) -> list[Utterance]:
    """Group words by the pauses between them.

    Args:
        words: with times from the piece's beginning.
        offset: seconds from the recording's beginning to the piece's.
        channel: that they were heard on.
    """
    groups: list[list[Word]] = []
    for word in words:
        moved = Word(
            word.text,
            round(offset + word.start, 3),
            round(offset + max(word.end, word.start), 3),
            word.confidence,
        )
        if groups and moved.start - groups[-1][-1].end < PAUSE:
            groups[-1].append(moved)
        else:
            groups.append([moved])
    return [_utterance(group, channel) for group in groups]


def _utterance(words: Sequence[Word], channel: int | None) -> Utterance:
    return Utterance(
        start=words[0].start,
        end=words[-1].end,
        text=" ".join(word.text for word in words),
        words=tuple(words),
        confidence=round(sum(word.confidence for word in words) / len(words), 4),
        channel=channel,
    )
