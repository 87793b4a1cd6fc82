"""An engine over any backend: counts slots and runs streams through one batcher."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Final

from asr_tasks import log
from asr_tasks.contracts.audio import SAMPLE_RATE
from asr_tasks.contracts.lease import Checkpoint
from asr_tasks.recognizers import metrics
from asr_tasks.recognizers.backend import Backend, Frame, Options, Output, Saved
from asr_tasks.recognizers.base import BadSnapshot, EngineClosed, Recognizer, SlotsExhausted
from asr_tasks.recognizers.batcher import Batcher
from asr_tasks.recognizers.patience import Patience
from asr_tasks.recognizers.stream import LiveStream, split_snapshot

_log = log.get(__name__)

PATIENCE: Final = 0.1
"""Seconds that a busy model's frame waits for company at most, and at most a quarter of a frame."""


class BatchedEngine:
    """A :class:`~asr_tasks.recognizers.base.Engine`: one backend, one batcher, N slots.

    Args:
        backend: the loaded model; closed with the engine.
        slots: streams that may be open at a time; the backend has at least as many.
        batch: most streams in one step; 0: all.
    """

    def __init__(self, backend: Backend, *, slots: int, batch: int = 0) -> None:
        self._backend = backend
        self._slots = slots
        patience = Patience(min(PATIENCE, backend.frame / SAMPLE_RATE / 4))
        self._batcher: Batcher[Frame, Output] = Batcher(
            backend, limit=batch or slots, patience=patience
        )
        self._lock = threading.Lock()
        self._open: set[int] = set()
        self._numbers = 0

    @property
    def slots(self) -> int:
        return self._slots

    @property
    def frame(self) -> int:
        """Samples in a frame, 16 kHz."""
        return self._backend.frame

    @property
    def tail(self) -> int:
        """Samples of silence a stream needs after its last audio."""
        return self._backend.tail

    def open(
        self,
        *,
        language: str | None = None,
        resume: Checkpoint | None = None,
        hotwords: Sequence[str] = (),
    ) -> Recognizer:
        checkpoint = resume or Checkpoint()
        number = self._take_slot()
        try:
            origin = self._begin(number, checkpoint, Options(language, tuple(hotwords)))
        except BaseException:
            self.release(number)
            raise
        return LiveStream(self, number, origin, checkpoint.position)

    def close(self) -> None:
        self._batcher.close()
        self._backend.close()

    def step(self, stream: int, frames: Sequence[Frame]) -> list[Output]:
        """Step frames of one stream; see Batcher.step."""
        return self._batcher.step(stream, frames)

    def save(self, stream: int) -> Saved:
        """Copy a stream's state, between two steps."""
        return self._batcher.call(lambda: self._backend.save(stream))

    def release(self, stream: int) -> None:
        """Free a stream's slot; an engine that is closed has none left to free."""
        try:
            self._batcher.forget(stream)
            self._batcher.call(lambda: self._backend.release(stream))
        except (EngineClosed, TimeoutError) as error:
            _log.info("slot not released", stream=stream, error=repr(error))
        finally:
            with self._lock:
                self._open.discard(stream)
                metrics.SLOTS_USED.set(len(self._open))

    def _take_slot(self) -> int:
        with self._lock:
            if len(self._open) >= self._slots:
                raise SlotsExhausted
            self._numbers += 1
            self._open.add(self._numbers)
            metrics.SLOTS_USED.set(len(self._open))
            return self._numbers

    def _begin(self, number: int, checkpoint: Checkpoint, options: Options) -> int:
        """Put the stream into its slot; returns the origin of its clock (samples)."""
        if checkpoint.state:
            try:
                origin, saved = split_snapshot(checkpoint)
                self._batcher.call(lambda: self._backend.resume(number, options, saved))
            except BadSnapshot as error:
                # a word or two at the seam may suffer; the alternative is to lose the session
                _log.warning(
                    "snapshot refused, starting afresh",
                    position=checkpoint.position,
                    reason=str(error),
                )
            else:
                return origin
        self._batcher.call(lambda: self._backend.start(number, options))
        return checkpoint.position
