"""One live stream over a backend: cuts audio into frames, dates and filters the results."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from types import TracebackType
from typing import Final, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from asr_tasks.contracts.audio import SAMPLE_RATE
from asr_tasks.contracts.errors import RecogniserFailed
from asr_tasks.contracts.lease import Checkpoint
from asr_tasks.contracts.results import Result, Word
from asr_tasks.recognizers import metrics
from asr_tasks.recognizers.backend import Frame, Output, Saved
from asr_tasks.recognizers.base import BadSnapshot, EngineClosed

AT_ONCE: Final = 32
"""Frames handed to the engine at a time; bounds what one stream can queue."""

_HEADER: Final = struct.Struct("<qq")
"""Before the backend's snapshot: where the stream's own clock starts, and the position."""


class Access(Protocol):
    """What a stream may ask of its engine; blocks until the engine's thread has done it."""

    @property
    def frame(self) -> int:
        """Samples in a frame."""
        ...

    @property
    def tail(self) -> int:
        """Samples of silence needed after the last audio."""
        ...

    def step(self, stream: int, frames: Sequence[Frame]) -> list[Output]:
        """Step frames of one stream, in order."""
        ...

    def save(self, stream: int) -> Saved:
        """Copy the stream's state."""
        ...

    def release(self, stream: int) -> None:
        """Free the stream's slot; never raises."""
        ...


def split_snapshot(checkpoint: Checkpoint) -> tuple[int, bytes]:
    """A checkpoint's origin (samples) and the backend's part of its state.

    Raises:
        BadSnapshot: damaged, or of another position.
    """
    if len(checkpoint.state) < _HEADER.size:
        raise BadSnapshot("the snapshot is cut short")
    origin, position = _HEADER.unpack_from(checkpoint.state)
    if position != checkpoint.position or not 0 <= origin <= position:
        raise BadSnapshot(f"the snapshot is of sample {position}, not of {checkpoint.position}")
    return origin, checkpoint.state[_HEADER.size :]


class LiveStream:
    """A :class:`~asr_tasks.recognizers.base.Recognizer` over a batched engine.

    Args:
        access: the engine.
        number: the stream's number in it; its slot is already taken.
        origin: session position (samples) at which the stream's own clock started.
        position: session position (samples) up to which its state has heard.
    """

    def __init__(self, access: Access, number: int, origin: int, position: int) -> None:
        self._access = access
        self._number = number
        self._origin = origin
        self._position = position
        self._waiting: NDArray[np.float32] = np.zeros(0, np.float32)
        self._partial = ""
        self._failed: RecogniserFailed | None = None
        self._open = True
        self._ended = False

    @property
    def position(self) -> int:
        return self._position

    def accept(self, audio: NDArray[np.float32]) -> list[Result]:
        size = self._access.frame
        waiting = np.concatenate((self._waiting, audio.astype(np.float32, copy=False)))
        whole = len(waiting) // size * size
        self._waiting = waiting[whole:].copy()
        return self._step([waiting[at : at + size] for at in range(0, whole, size)])

    def finish(self) -> list[Result]:
        if self._ended:
            return []
        heard = len(self._waiting)
        if not heard and self._position == self._origin:
            self.close()
            return []
        size = self._access.frame
        audio = np.zeros(-(-(heard + self._access.tail) // size) * size or size, np.float32)
        audio[:heard] = self._waiting
        self._waiting = np.zeros(0, np.float32)
        ends_at = self._position + heard
        frames = [audio[at : at + size] for at in range(0, len(audio), size)]
        results = self._step(frames, last=True)
        self._position = ends_at
        self.close()
        return [_until(ends_at / SAMPLE_RATE, result) for result in results if result.final]

    def checkpoint(self) -> Checkpoint:
        if self._ended:
            return Checkpoint(self._position)
        saved = self._access.save(self._number)
        header = _HEADER.pack(self._origin, self._position)
        return Checkpoint(self._position, header + saved.to_bytes())

    def close(self) -> None:
        self._ended = True
        if self._open:
            self._open = False
            self._access.release(self._number)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _step(self, audio: list[NDArray[np.float32]], *, last: bool = False) -> list[Result]:
        if self._failed is not None:
            raise self._failed
        if self._ended and audio:
            raise RecogniserFailed("The stream has been closed.")
        results: list[Result] = []
        for at in range(0, len(audio), AT_ONCE):
            frames = [Frame(self._number, part) for part in audio[at : at + AT_ONCE]]
            if last and at + AT_ONCE >= len(audio):
                frames[-1] = Frame(self._number, frames[-1].audio, last=True)
            for output in self._outputs(frames):
                results += self._results(output)
            samples = sum(len(frame.audio) for frame in frames)
            self._position += samples
            metrics.AUDIO_SECONDS.inc(samples / SAMPLE_RATE)
        return results

    def _outputs(self, frames: list[Frame]) -> list[Output]:
        try:
            return self._access.step(self._number, frames)
        except EngineClosed:
            raise
        except Exception as error:
            self._failed = RecogniserFailed(f"The recogniser failed on this audio: {error}")
            raise self._failed from error

    def _results(self, output: Output) -> list[Result]:
        offset = self._origin / SAMPLE_RATE
        results = []
        if output.final:
            self._partial = ""
            results.append(_final(output, offset))
        if output.partial != self._partial:
            self._partial = output.partial
            results.append(Result(output.partial, offset + output.start, offset + output.end))
        return results


def _final(output: Output, offset: float) -> Result:
    words = tuple(
        Word(w.text, round(w.start + offset, 3), round(w.end + offset, 3), w.confidence)
        for w in output.words
    )
    mean = sum(word.confidence for word in words) / len(words) if words else None
    return Result(
        text=output.final,
        start=words[0].start if words else offset + output.start,
        end=words[-1].end if words else offset + output.end,
        final=True,
        words=words,
        confidence=None if mean is None else round(mean, 4),
    )


def _until(end: float, result: Result) -> Result:
    """The result with no time after ``end`` (seconds): the flush's silence is not the session's."""
    words = tuple(
        Word(w.text, min(w.start, end), min(w.end, end), w.confidence) for w in result.words
    )
    return Result(
        text=result.text,
        start=min(result.start, end),
        end=min(result.end, end),
        final=result.final,
        words=words,
        confidence=result.confidence,
    )
