"""The two ports of speech recognition, and the errors behind them.

A worker process has one :class:`Engine` (one model); each live stream has one
:class:`Recognizer` of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from asr_tasks.contracts.errors import Unavailable
from asr_tasks.contracts.lease import Checkpoint
from asr_tasks.contracts.results import Result


class SlotsExhausted(Unavailable):
    """Every slot of this worker is taken (the allocator should not have sent the stream here)."""

    hint = "This worker serves as many streams as it may; try again shortly."


class EngineClosed(Unavailable):
    """The worker is stopping; another one goes on from the last commit."""

    hint = "This worker is stopping."


class BadSnapshot(ValueError):
    """A snapshot that is damaged, or of another model, configuration or version."""


class Recognizer(Protocol):
    """One live stream. Used by one thread; results are on the session's clock."""

    @property
    def position(self) -> int:
        """Samples consumed into the state so far, from the session's start (16 kHz).

        What was given to :meth:`accept` beyond it waits for the rest of its frame and is in no
        checkpoint: a successor must be given it again.
        """
        ...

    def accept(self, audio: NDArray[np.float32]) -> list[Result]:
        """Take audio, float32[T] in [-1, 1], 16 kHz; blocks while its full frames are stepped.

        Returns:
            What is new: finals, and partials whose text changed; often nothing.

        Raises:
            RecogniserFailed: the model failed on this stream's audio; only ``close`` may follow.
            EngineClosed: the engine was closed meanwhile.
        """
        ...

    def finish(self) -> list[Result]:
        """The audio is over: flush what waits. The last results are final.

        Raises:
            RecogniserFailed, EngineClosed: as :meth:`accept`.
        """
        ...

    def checkpoint(self) -> Checkpoint:
        """From where another engine of the same model goes on with identical text.

        May be taken between any two calls, in mid-word too.
        """
        ...

    def close(self) -> None:
        """Free the slot; at any time, any number of times."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close."""
        ...


class Engine(Protocol):
    """One model and its N slots; one per worker process. Methods may be called by any thread."""

    @property
    def slots(self) -> int:
        """Streams that may be open at a time."""
        ...

    def open(
        self,
        *,
        language: str | None = None,
        resume: Checkpoint | None = None,
        hotwords: Sequence[str] = (),
    ) -> Recognizer:
        """Open a stream, from the start or from a checkpoint.

        A checkpoint without state, or with one that is not of this model and configuration,
        starts afresh at its position (the latter is logged).

        Raises:
            SlotsExhausted: all slots are taken.
            EngineClosed: the engine was closed.
        """
        ...

    def close(self) -> None:
        """Stop; streams that wait raise EngineClosed. Returns when the engine's thread is gone."""
        ...
