"""Whole pieces of a recording at once, with all of their context: recognition for batch jobs."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from asr_tasks.catalogue import Entry
from asr_tasks.contracts.audio import SAMPLE_RATE
from asr_tasks.contracts.results import Word

BATCH_SECONDS: Final = 100.0
"""Audio in one step of the model, the padding counted. More is slower on a processor, whose caches
it leaves; measured with the demo model: 1.8 times for 8 pieces of 30 s against 2."""

LIKE: Final = 0.75
"""A piece shorter than so much of the longest is stepped apart: its padding would cost more than
its company saves. Measured with the demo model, times real time: 15.5 s and 6.5 s together 97,
apart 119; two of 20 s together 154, apart 120."""


class OfflineRecognizer(Protocol):
    """One model, for one thread."""

    def recognise(self, pieces: Sequence[NDArray[np.float32]]) -> list[tuple[Word, ...]]:
        """The words of each piece.

        Args:
            pieces: float32[T] in [-1, 1] each, 16 kHz, up to a minute.

        Returns:
            For each piece, in the order given, its words with times from the piece's beginning.

        Raises:
            Exception: whatever the model raises on this audio.
        """
        ...


def load(entry: Entry, threads: int = 1) -> OfflineRecognizer:
    """Load a model; takes seconds.

    Args:
        entry: of the catalogue.
        threads: of the processor that one step may use.

    Raises:
        ModelUnavailable: its checkpoint is absent.
        RuntimeError: it cannot be loaded.
    """
    if entry.kind == "echo":
        return EchoOffline()
    _ = entry.checkpoint  # says what is missing before seconds are spent on imports
    from asr_tasks.recognizers.nemo_offline import NemoOffline

    return NemoOffline(entry, threads)


class EchoOffline:
    """Says each second's checksum: a transcript in which every lost or altered sample shows."""

    def recognise(self, pieces: Sequence[NDArray[np.float32]]) -> list[tuple[Word, ...]]:
        return [self._words(piece) for piece in pieces]

    def _words(self, piece: NDArray[np.float32]) -> tuple[Word, ...]:
        pcm = np.rint(piece * 32767).astype("<i2")
        words = []
        for at in range(0, len(pcm), SAMPLE_RATE):
            part = pcm[at : at + SAMPLE_RATE]
            begin, end = at / SAMPLE_RATE, (at + len(part)) / SAMPLE_RATE
            words.append(Word(f"{zlib.crc32(part.tobytes()):08x}", begin, end))
        return tuple(words)


def batches(lengths: Sequence[int], seconds: float = BATCH_SECONDS) -> list[list[int]]:
    """Which pieces to step together: of like length, so that little is padding.

    Args:
        lengths: of the pieces, samples.
        seconds: of audio in a batch, the padding counted; one piece may be longer.

    Returns:
        Indices, each once.
    """
    found: list[list[int]] = []
    for index in sorted(range(len(lengths)), key=lambda one: lengths[one], reverse=True):
        longest = lengths[found[-1][0]] if found else 0
        fits = longest * (len(found[-1]) + 1) <= seconds * SAMPLE_RATE if found else False
        if fits and lengths[index] >= LIKE * longest:
            found[-1].append(index)
        else:
            found.append([index])
    return found
