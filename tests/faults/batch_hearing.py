"""Batch workers whose hearing is watched: what they hear is written down, and may be poison.

`batch_watched`, given to Celery workers by `-I`, puts it in the recogniser's place.
"""

from __future__ import annotations

import os
import time
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from asr_tasks.contracts.audio import SAMPLE_RATE
from asr_tasks.contracts.results import Word
from asr_tasks.recognizers import offline

DEADLY: Final = (np.arange(800) % 2 * 2 - 1).astype(np.float32) * 0.75
"""Samples that kill whoever hears them."""

FAULTY: Final = (np.arange(800) % 2 * 2 - 1).astype(np.float32) * 0.5
"""Samples on which the recogniser raises an error."""

HEARD_FILE: Final = "TEST_HEARD_FILE"
PACE: Final = "TEST_HEARING_PACE"
"""Environment: where to write down what is heard; seconds it takes to hear a second."""


class WatchedEcho(offline.EchoOffline):
    """Checksums, at a pace."""

    def recognise(self, pieces: Sequence[NDArray[np.float32]]) -> list[tuple[Word, ...]]:
        for piece in pieces:
            # Appended in one write: several processes share the file.
            with Path(os.environ[HEARD_FILE]).open("a") as file:
                file.write(f"{zlib.crc32(piece.tobytes()):08x}\n")
            time.sleep(len(piece) / SAMPLE_RATE * float(os.environ[PACE]))
            if _holds(piece, DEADLY):
                os._exit(139)  # as a segmentation fault in native code does
            if _holds(piece, FAULTY):
                raise ArithmeticError("not a number")
        return super().recognise(pieces)


def _holds(piece: NDArray[np.float32], sound: NDArray[np.float32]) -> bool:
    """Whether the sound is in the piece; its level occurs in nothing else here."""
    return bool((np.abs(piece - sound[1]) < 1e-3).sum() >= len(sound) // 2)
