"""Which token every encoder frame should say, from the times of the words.

Plain CTC stays on its plateau for hours on a machine like this; a few minutes of frame-wise
cross-entropy on the synthesisers' own word times get it off (the card has the figures).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from models.english.training.speech import WordTime

FRAME = 0.08
"""Seconds of one encoder frame."""
DELAY = 1.5
"""Frames by which a token may come late: it has to be heard before it can be said."""

TokenSpan = tuple[int, float, float]


def token_spans(
    words: Sequence[WordTime], tokens_of: Callable[[str], Sequence[tuple[int, int]]]
) -> list[TokenSpan]:
    """Token, start, end (seconds): each word's time shared by the letters of its tokens.

    Args:
        words: word, start, end.
        tokens_of: a word's tokens and the number of letters of each.
    """
    spans: list[TokenSpan] = []
    for word, start, end in words:
        tokens = tokens_of(word)
        total = sum(letters for _, letters in tokens)
        done = 0
        for token, letters in tokens:
            begin = start + (end - start) * done / total
            done += letters
            spans.append((token, begin, start + (end - start) * done / total))
    return spans


def frame_labels(spans: Sequence[TokenSpan], lead: float, frames: int, blank: int) -> list[int]:
    """One label for each frame; ``lead`` seconds of silence come before the words.

    Equal neighbours are parted by a blank, as CTC's collapsing needs it.
    """
    labels = [blank] * frames
    previous, busy = -1, 0
    for token, start, end in spans:
        first = max(int((start + lead) / FRAME + DELAY), busy)
        last = max(first + 1, int((end + lead) / FRAME + DELAY))
        if token == previous and first == busy and first + 1 < last:
            first += 1
        labels[first : min(last, frames)] = [token] * max(0, min(last, frames) - first)
        previous, busy = token, min(last, frames)
    return labels[:frames]
