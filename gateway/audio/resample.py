"""Resampling that gives the same samples however the input is cut, and from any aligned start.

A polyphase low-pass filter with integer coefficients: every product and sum is an integer below
2^53, so floating-point arithmetic is exact, no order of summation matters, and a gateway that
takes a session over computes bit for bit what the first one did.
"""

from __future__ import annotations

from functools import lru_cache
from math import ceil, gcd

import numpy as np
from numpy.typing import NDArray

from asr_tasks.contracts.audio import SAMPLE_RATE

_ZERO_CROSSINGS = 16
_KAISER_BETA = 9.0
_SCALE_BITS = 15
_ROLLOFF = 0.94
"""Pass band's edge as part of the lower Nyquist frequency."""
_BLOCK = 8_000
"""Outputs computed at once; bounds the memory of a large message."""


@lru_cache(maxsize=16)
def _filters(up: int, down: int) -> NDArray[np.float64]:
    """Coefficients per phase, float64[up, taps], all integers."""
    stretch = max(1.0, down / up) / _ROLLOFF
    half = ceil(_ZERO_CROSSINGS * stretch)
    tap = np.arange(-half, half + 1)
    rows = []
    for phase in range(up):
        at = (tap - phase / up) / stretch
        window = np.i0(
            _KAISER_BETA * np.sqrt(np.clip(1 - (at / (_ZERO_CROSSINGS + 1)) ** 2, 0, 1))
        ) / np.i0(_KAISER_BETA)
        row = np.sinc(at) * window
        rows.append(np.rint(row / row.sum() * (1 << _SCALE_BITS)))
    return np.asarray(rows, dtype=np.float64)


class Resampler:
    """One stream from ``rate`` to 16 kHz. Not thread-safe; call from one thread at a time."""

    def __init__(self, rate: int, first_output: int = 0) -> None:
        """Args:
        rate: of the input, Hz.
        first_output: position at 16 kHz of the first output; :func:`restart` says with which
            input it goes.
        """
        self.up, self.down = ratio(rate)
        self._filters = _filters(self.up, self.down)
        self._half = self._filters.shape[1] // 2
        # Inputs before the first count as zero.
        self._input = np.zeros(self._half, dtype=np.float64)
        self._base = -self._half  # index of _input[0], counted from the first input
        self._next = 0  # next output, counted from the first one
        self.position = first_output

    def feed(self, samples: NDArray[np.int16], *, last: bool = False) -> NDArray[np.int16]:
        """Convert what can be converted; ``last`` flushes the filter's delay.

        Args:
            samples: mono, int16[N], N ≥ 0.
            last: nothing follows.

        Returns:
            int16[M] at 16 kHz; the total over all calls is ceil(total input · 16000 / rate).
        """
        self._input = np.concatenate((self._input, samples.astype(np.float64)))
        received = self._base + len(self._input)
        if last:
            stop = -(-received * self.up // self.down)
            self._input = np.concatenate((self._input, np.zeros(self._half + 1)))
        else:
            stop = max(-(-(received - self._half) * self.up // self.down), self._next)
        parts = []
        while self._next < stop:
            upto = min(stop, self._next + _BLOCK)
            parts.append(self._outputs(self._next, upto))
            self._next = upto
        done = self._next * self.down // self.up - self._half
        if done > self._base:
            self._input = self._input[done - self._base :]
            self._base = done
        output = np.concatenate(parts) if parts else np.zeros(0, np.int16)
        self.position += len(output)
        return output

    def _outputs(self, start: int, stop: int) -> NDArray[np.int16]:
        at = np.arange(start, stop) * self.down
        first = at // self.up - self._half - self._base
        windows = np.lib.stride_tricks.sliding_window_view(self._input, 2 * self._half + 1)
        sums = np.einsum("nt,nt->n", windows[first], self._filters[at % self.up])
        rounded = np.floor(sums / (1 << _SCALE_BITS) + 0.5)
        clipped: NDArray[np.int16] = np.clip(rounded, -32768, 32767).astype(np.int16)
        return clipped


def ratio(rate: int) -> tuple[int, int]:
    """Up and down factors from ``rate`` to 16 kHz."""
    divisor = gcd(SAMPLE_RATE, rate)
    return SAMPLE_RATE // divisor, rate // divisor


def restart(rate: int, accepted: int) -> tuple[int, int]:
    """Where to begin so that outputs from ``accepted`` on are what they would have been.

    Args:
        rate: of the input, Hz.
        accepted: samples at 16 kHz that need not be computed again.

    Returns:
        The input sample to begin with, and the position (≤ accepted) of its first output.
    """
    up, down = ratio(rate)
    half = _filters(up, down).shape[1] // 2
    blocks = max(0, (accepted - ceil((half + 1) * up / down)) // up)
    return blocks * down, blocks * up
