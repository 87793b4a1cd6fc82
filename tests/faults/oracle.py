"""What a fault cost: a disturbed call beside the undisturbed one of the same audio.

Counting finals does not detect loss. Every word of the undisturbed transcript has its place in the
audio: a word that did not come makes the 0.1 s chunks under it lost, and so does audio after the
position at which the service says it ended.
"""

from __future__ import annotations

import math
from bisect import bisect_right
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
        error: code the session ended with; empty: it ended well.
        wait: seconds from the fault to the next result that the undisturbed run gave after it.
        healthy: the same in the undisturbed run.
    """

    chunks: int
    lost: int
    doubled: int
    differs: bool
    error: str
    wait: float | None
    healthy: float | None

    @property
    def gap(self) -> float | None:
        """Seconds by which that result came later than undisturbed."""
        if self.wait is None or self.healthy is None:
            return None
        return max(0.0, self.wait - self.healthy)

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
    wait, wanted = (None, None) if fault is None else _wait(healthy, heard, fault)
    return Cost(
        chunks=len(silent),
        lost=(said - came).total(),
        doubled=len(heard.on_the_wire) - len(set(heard.on_the_wire)),
        differs=healthy.words != heard.words or healthy.done != heard.done,
        error=heard.error.code if heard.error else "",
        wait=wait,
        healthy=wanted,
    )


def _wait(healthy: Heard, heard: Heard, fault: float) -> tuple[float | None, float | None]:
    """From the fault to the next result, disturbed and undisturbed; None: none came after it."""
    expected = healthy.progress()
    at = bisect_right([when for when, _ in expected], fault)
    if at == len(expected):
        return None, None
    due, goal = expected[at]
    came = next((when for when, progress in heard.progress() if progress >= goal), None)
    if came is None or came < fault:
        return None, None  # it came early (so nothing was waited for), or never (then it is lost)
    return came - fault, due - fault
