"""An engine without a model: it answers at once. For benchmarks and tests of everything else."""

from __future__ import annotations

import struct
import threading
from collections.abc import Sequence
from types import TracebackType
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from asr_tasks.catalogue import Entry
from asr_tasks.contracts.audio import SAMPLE_RATE
from asr_tasks.contracts.lease import Checkpoint
from asr_tasks.contracts.results import Result, Word
from asr_tasks.recognizers.base import EngineClosed, Recognizer, SlotsExhausted

_STATE: Final = struct.Struct("<4sq")
_MAGIC: Final = b"ECHO"


class EchoEngine:
    """An :class:`~asr_tasks.recognizers.base.Engine` whose text says how much audio came.

    Each accept answers with a partial that names the position; a final comes at every multiple of
    the entry's ``final_every`` seconds, wherever the audio was cut. Deterministic.
    """

    def __init__(self, entry: Entry) -> None:
        self._slots = entry.slots
        self._every = round(entry.final_every * SAMPLE_RATE)
        self._lock = threading.Lock()
        self._used = 0
        self._closed = False

    @property
    def slots(self) -> int:
        return self._slots

    def open(
        self,
        *,
        language: str | None = None,
        resume: Checkpoint | None = None,
        hotwords: Sequence[str] = (),
    ) -> Recognizer:
        del language, hotwords
        with self._lock:
            if self._closed:
                raise EngineClosed
            if self._used >= self._slots:
                raise SlotsExhausted
            self._used += 1
        checkpoint = resume or Checkpoint()
        return _EchoStream(self, self._every, checkpoint.position, _begun(checkpoint))

    def close(self) -> None:
        with self._lock:
            self._closed = True

    def release(self) -> None:
        """A stream is over."""
        with self._lock:
            self._used -= 1


class _EchoStream:
    def __init__(self, engine: EchoEngine, every: int, position: int, begun: int) -> None:
        self._engine = engine
        self._every = every
        self._position = position
        self._begun = begun
        self._open = True

    @property
    def position(self) -> int:
        return self._position

    def accept(self, audio: NDArray[np.float32]) -> list[Result]:
        end = self._position + len(audio)
        results = []
        while (mark := (self._begun // self._every + 1) * self._every) <= end:
            results.append(self._said(mark, final=True))
            self._begun = mark
        self._position = end
        if end > self._begun:
            results.append(self._said(end, final=False))
        return results

    def finish(self) -> list[Result]:
        if self._position == self._begun:
            return []
        result = self._said(self._position, final=True)
        self._begun = self._position
        return [result]

    def checkpoint(self) -> Checkpoint:
        return Checkpoint(self._position, _STATE.pack(_MAGIC, self._begun))

    def close(self) -> None:
        if self._open:
            self._open = False
            self._engine.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _said(self, end: int, *, final: bool) -> Result:
        start, until, text = self._begun / SAMPLE_RATE, end / SAMPLE_RATE, str(end)
        words = (Word(text, start, until),) if final else ()
        return Result(text, start, until, final, words, 1.0 if final else None)


def _begun(checkpoint: Checkpoint) -> int:
    """Where the utterance began that was open at the checkpoint; afresh if it does not say."""
    if len(checkpoint.state) == _STATE.size:
        magic, begun = _STATE.unpack(checkpoint.state)
        if magic == _MAGIC and 0 <= begun <= checkpoint.position:
            return int(begun)
    return checkpoint.position
