"""Where to cut a long recording: in the pauses, so that no word is torn apart.

Energy in frames of 20 ms; a pause is what lies near the quietest of the last seconds. From
``shortest`` on the first pause that is long enough is taken, in its middle; a speaker who makes
none until ``longest`` is cut where it is quietest.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from asr_tasks.contracts.audio import SAMPLE_RATE

FRAME: Final = SAMPLE_RATE // 50
PAUSE: Final = 0.3
"""Seconds of quiet that make a pause."""

QUIET: Final = 3.0
"""A frame is quiet below so many times the noise floor, and so much below the speech (10 dB)."""

SILENT: Final = 1e-3
"""Nothing is said where no frame reaches this level (-60 dBFS, RMS)."""

_NOISE: Final = 10
_SPEECH: Final = 75
"""Percentiles of the levels."""

_SMOOTH: Final = 5


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a recording.

    Attributes:
        start, end: samples at 16 kHz from the recording's beginning.
        silent: nothing is said in it.
    """

    start: int
    end: int
    silent: bool


class Cutter:
    """Cuts one recording, or all of it from some sample on.

    Args:
        start: sample at which what is fed begins.
        shortest: seconds of a piece before a pause is looked for.
        longest: seconds at most.
    """

    def __init__(self, start: int = 0, *, shortest: float = 15.0, longest: float = 35.0) -> None:
        if not 0 < shortest < longest:
            raise ValueError("shortest must be positive and less than longest")
        self._start = start
        self._shortest = round(shortest * SAMPLE_RATE / FRAME)
        self._longest = round(longest * SAMPLE_RATE / FRAME)
        self._levels: list[float] = []
        self._rest: NDArray[np.float32] = np.zeros(0, np.float32)
        self._quiet = 0.0

    @property
    def position(self) -> int:
        """Where the piece that is open begins: all before it is in pieces."""
        return self._start

    def feed(self, block: NDArray[np.float32]) -> Iterator[Piece]:
        """Take float32[C, T]; yields the pieces that are finished with it."""
        loudest = np.abs(block).max(axis=0) if block.shape[0] > 1 else block[0]
        samples = np.concatenate((self._rest, loudest)) if len(self._rest) else loudest
        whole = len(samples) - len(samples) % FRAME
        self._rest = samples[whole:].copy()
        frames = samples[:whole].reshape(-1, FRAME).astype(np.float64)
        for level in np.sqrt((frames**2).mean(axis=1)):
            self._levels.append(float(level))
            cut = self._cut()
            if cut:
                yield self._take(cut, cut * FRAME)

    def finish(self) -> Iterator[Piece]:
        """The recording is over; yields what is left of it."""
        samples = len(self._levels) * FRAME + len(self._rest)
        if samples:
            rest = (
                float(np.sqrt((self._rest.astype(np.float64) ** 2).mean()))
                if len(self._rest)
                else 0
            )
            self._levels.append(rest)
            yield self._take(len(self._levels), samples)

    def _cut(self) -> int:
        """After how many frames to cut now; 0: not yet."""
        have = len(self._levels)
        if have < self._shortest:
            return 0
        pause = round(PAUSE * SAMPLE_RATE / FRAME)
        if have == self._shortest or have % pause == 0:
            noise, speech = np.percentile(self._levels, (_NOISE, _SPEECH))
            self._quiet = max(min(QUIET * float(noise), float(speech) / QUIET), SILENT)
        if all(level < self._quiet for level in self._levels[-pause:]):
            return have - pause // 2
        return self._quietest() if have >= self._longest else 0

    def _quietest(self) -> int:
        """The middle of the quietest tenth of a second in the part where a cut is allowed."""
        levels = np.asarray(self._levels[self._shortest // 2 :])
        smooth = np.convolve(levels, np.ones(_SMOOTH) / _SMOOTH, mode="valid")
        return self._shortest // 2 + int(smooth.argmin()) + _SMOOTH // 2 + 1

    def _take(self, frames: int, samples: int) -> Piece:
        silent = max(self._levels[:frames]) < SILENT
        piece = Piece(self._start, self._start + samples, silent)
        self._start = piece.end
        del self._levels[:frames]
        return piece
