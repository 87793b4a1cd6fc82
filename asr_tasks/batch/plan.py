"""Cutting a recording or a stretch of it, and how much one task takes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import IO, Final

import numpy as np
from numpy.typing import NDArray

from asr_tasks.contracts.audio import SAMPLE_RATE
from asr_tasks.contracts.jobs import Channels
from asr_tasks.jobs.records import Kept, Stretch
from asr_tasks.media import decode
from asr_tasks.media.cutting import Cutter

CUT_SECONDS: Final = 600.0
"""Audio that one cutting task takes: a second of work, and the next jobs get their turn."""

HEAR_SECONDS: Final = 240.0
"""Audio that one hearing task takes: a few seconds of work, lost at most when a worker dies."""

WHOLE_SECONDS: Final = HEAR_SECONDS
"""A recording so long at most is cut, heard and joined in one task: no more is lost than of any."""


def stretch(
    file: IO[bytes], start: int, seconds: float = CUT_SECONDS
) -> tuple[list[Stretch], int, bool]:
    """Cut the recording from ``start`` on, for about ``seconds``.

    Returns:
        The pieces, with indices from 0; the sample where the next stretch begins; whether the
        recording is over.

    Raises:
        BadAudio: nothing in it can be decoded.
    """
    cutter = Cutter(start)
    pieces: list[Stretch] = []
    for block in decode.blocks(file, start):
        for piece in cutter.feed(block):
            pieces.append(Stretch(len(pieces), piece.start, piece.end, piece.silent))
        if cutter.position - start >= seconds * SAMPLE_RATE:
            return pieces, cutter.position, False
    for piece in cutter.finish():
        pieces.append(Stretch(len(pieces), piece.start, piece.end, piece.silent))
    return pieces, cutter.position, True


def is_short(kept: Kept) -> bool:
    """Whether to try all of the recording at once, as far as is known: its container may lie."""
    return kept.job.duration <= WHOLE_SECONDS and (kept.job.cut or not kept.position)


def all_of(file: IO[bytes]) -> NDArray[np.float32] | None:
    """All samples of a short recording, float32[C, T]; None if it is longer than that.

    Raises:
        BadAudio: nothing in it can be decoded.
    """
    limit = round(WHOLE_SECONDS * SAMPLE_RATE)
    audio = decode.read(file, 0, limit + 1)
    return audio if audio.shape[1] <= limit else None


def pieces_of(audio: NDArray[np.float32]) -> list[Stretch]:
    """Cut a whole recording, float32[C, T]; indices from 0."""
    cutter = Cutter()
    found = [*cutter.feed(audio), *cutter.finish()]
    return [Stretch(index, one.start, one.end, one.silent) for index, one in enumerate(found)]


def batches(pieces: Sequence[Stretch], seconds: float = HEAR_SECONDS) -> Iterator[tuple[int, int]]:
    """First and last index of neighbouring pieces that one task hears; silent ends are left out."""
    open_: list[Stretch] = []
    for piece in [*(piece for piece in pieces if not piece.silent)]:
        if open_ and (
            piece.end - open_[0].start > seconds * SAMPLE_RATE or piece.index != open_[-1].index + 1
        ):
            yield open_[0].index, open_[-1].index
            open_ = []
        open_.append(piece)
    if open_:
        yield open_[0].index, open_[-1].index


def voices(
    audio: NDArray[np.float32], channels: Channels
) -> list[tuple[int | None, NDArray[np.float32]]]:
    """What to listen to of float32[C, T]: the mean of the channels, or each apart."""
    if channels == "split" and audio.shape[0] > 1:
        return [(index, np.ascontiguousarray(row)) for index, row in enumerate(audio)]
    mixed = audio[0] if audio.shape[0] == 1 else audio.mean(axis=0, dtype=np.float32)
    return [(0 if channels == "split" else None, np.ascontiguousarray(mixed))]
