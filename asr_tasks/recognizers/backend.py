"""What a model has to offer so that streams can be run over it.

NeMo's pipelines are behind this port today; ONNX Runtime would be another implementation of it.
Everything here is called on the batcher's thread only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from asr_tasks.contracts.results import Word


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame of a stream: exactly the backend's frame length, unless it is the last.

    Attributes:
        stream: the stream's number.
        audio: float32[T], 16 kHz, [-1, 1].
        last: nothing follows; the stream's slot is free after the step.
    """

    stream: int
    audio: NDArray[np.float32]
    last: bool = False


@dataclass(frozen=True, slots=True)
class Output:
    """What one frame brought; times in seconds on the stream's own clock (0 where it started).

    Attributes:
        final: text that became final with this frame; empty if none did.
        words: the final's words.
        partial: hypothesis of the utterance that is open after this frame; may be empty.
        start, end: of the partial's words.
    """

    final: str = ""
    words: tuple[Word, ...] = ()
    partial: str = ""
    start: float = 0.0
    end: float = 0.0


@dataclass(frozen=True, slots=True)
class Options:
    """What a stream may choose."""

    language: str | None = None
    hotwords: tuple[str, ...] = ()


class Saved(Protocol):
    """A stream's state, copied at a frame boundary; safe to use on any thread."""

    def to_bytes(self) -> bytes:
        """Compact, versioned, with the backend's fingerprint; deterministic."""
        ...


class Backend(Protocol):
    """One loaded model."""

    @property
    def frame(self) -> int:
        """Samples in a frame, 16 kHz."""
        ...

    @property
    def tail(self) -> int:
        """Samples of silence that must follow the last audio so that its last words come out."""
        ...

    def start(self, stream: int, options: Options) -> None:
        """Give a new stream a slot."""
        ...

    def resume(self, stream: int, options: Options, saved: bytes) -> None:
        """Give a stream a slot and put a saved state into it.

        Raises:
            BadSnapshot: not of this model and configuration; the stream then has no slot.
        """
        ...

    def step(self, frames: Sequence[Frame]) -> list[Output]:
        """Step a frame each of different streams; all or nothing, as Stepper says."""
        ...

    def save(self, stream: int) -> Saved:
        """Copy a stream's state; cheap."""
        ...

    def release(self, stream: int) -> None:
        """Free the stream's slot if it has one."""
        ...

    def close(self) -> None:
        """Free the model."""
        ...
