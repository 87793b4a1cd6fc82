"""What a fault cost: a disturbed call beside the undisturbed one of the same audio.

Counting finals does not detect loss. Every word of the undisturbed transcript has its place in the
audio: a word that did not come makes the 0.1 s chunks under it lost, and so does audio after the
position at which the service says it ended.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass

from tests.faults.caller import Heard

CHUNK = 0.1
"""Seconds of audio in one chunk."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one call.

    Attributes:
        chunks: accepted and not transcribed.
        lost: finals of the undisturbed run that did not come.
        doubled: finals that came over the wire although the client had them.
        differs: whether a word, a time or the ending is another.
        error: code and message the session ended with; empty: it ended well.
        gap: seconds by which the text was behind the undisturbed run's at the most, from the fault
            on; None: not hit, or nothing was to come any more.
    """

    chunks: int
    lost: int
    doubled: int
    differs: bool
    error: str
    gap: float | None

    @property
    def nothing(self) -> bool:
        """Whether the fault cost nothing but time."""
        return not (self.chunks or self.lost or self.doubled or self.differs or self.error)


def judge(healthy: Heard, heard: Heard, fault: float | None) -> Cost:
    """Compare.

    Args:
        healthy: the undisturbed call of the same clip.
        heard: the disturbed one.
        fault: when it struck, seconds since the call's first sample; None: this call was not hit.
    """
    said = Counter((f.text, f.start, f.end) for f in healthy.finals)
    came = Counter((f.text, f.start, f.end) for f in heard.finals)
    until = heard.done.duration if heard.done else 0.0
    silent = {
        chunk
        for _, start, end in (Counter(healthy.words) - Counter(heard.words))
        for chunk in range(int(start / CHUNK), math.ceil(end / CHUNK))
    }
    silent |= set(range(math.ceil(round(until / CHUNK, 3)), math.ceil(heard.clip.seconds / CHUNK)))
    return Cost(
        chunks=len(silent),
        lost=(said - came).total(),
        doubled=len(heard.on_the_wire) - len(set(heard.on_the_wire)),
        differs=healthy.words != heard.words or healthy.done != heard.done,
        error=f"{heard.error.code}: {heard.error}" if heard.error else "",
        gap=None if fault is None else gap(healthy, heard, fault),
    )


def gap(healthy: Heard, heard: Heard, since: float) -> float | None:
    """How far the text was behind the undisturbed run's at the most.

    Args:
        healthy, heard: the calls.
        since: seconds since the first sample; only results due later count.

    Returns:
        Seconds; None: nothing was due any more, or what was due never came (then it is lost).
    """
    came = heard.progress()
    late = [
        at - due
        for due, goal in healthy.progress()
        if due > since
        for at in [next((when for when, progress in came if progress >= goal), None)]
        if at is not None
    ]
    return max(0.0, *late) if late else None
