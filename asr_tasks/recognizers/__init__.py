"""Speech recognition behind two small ports; one engine per worker process.

The worker loads a model once (:func:`load`) and installs it (:func:`install`); a stream task
opens a stream of it (:func:`open`). Importing this imports neither torch nor NeMo: only loading
a NeMo model does.
"""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator, Sequence

from asr_tasks.catalogue import Entry
from asr_tasks.contracts.errors import ModelUnavailable
from asr_tasks.contracts.lease import Checkpoint
from asr_tasks.recognizers.base import (
    BadSnapshot,
    Engine,
    EngineClosed,
    Recognizer,
    SlotsExhausted,
)

__all__ = [
    "BadSnapshot",
    "Engine",
    "EngineClosed",
    "Recognizer",
    "SlotsExhausted",
    "install",
    "load",
    "open",
    "uninstall",
]

_installed: dict[str, Engine] = {}
"""The engine of this process by its model's name; several only in the embedded stack."""


def load(entry: Entry) -> Engine:
    """Load a model; takes seconds, most of them importing NeMo.

    Raises:
        ModelUnavailable: its checkpoint is absent.
        RuntimeError: it cannot be loaded.
    """
    if entry.kind == "echo":
        from asr_tasks.recognizers.echo import EchoEngine

        return EchoEngine(entry)
    _ = entry.checkpoint  # says what is missing before seconds are spent on imports
    with _for_good():
        from asr_tasks.recognizers.engine import BatchedEngine
        from asr_tasks.recognizers.nemo_pipeline import NemoBackend

        return BatchedEngine(NemoBackend(entry), slots=entry.slots, batch=entry.batch)


@contextlib.contextmanager
def _for_good() -> Iterator[None]:
    """Keep Python's collector away, now and later, from what is made in this block."""
    # A million objects of torch and NeMo, as long as the process lives. To look through them again
    # and again would be a quarter of their import, two seconds at the process's end, and in
    # between a pause for every stream.
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
        gc.freeze()
    finally:
        if enabled:
            gc.enable()


def install(model: str, engine: Engine) -> None:
    """Make ``engine`` the one behind ``model`` in this process."""
    _installed[model] = engine


def uninstall(model: str) -> None:
    """Take a model's engine away and close it."""
    engine = _installed.pop(model, None)
    if engine is not None:
        engine.close()


def open(
    model: str,
    *,
    language: str | None = None,
    resume: Checkpoint | None = None,
    hotwords: Sequence[str] = (),
) -> Recognizer:
    """Open a stream of this process's engine; a context manager that frees its slot.

    Args:
        model: the catalogue's name.
        language: for models of several languages.
        resume: where to go on; from the start if None.
        hotwords: words to listen for, if the model can.

    Raises:
        ModelUnavailable: this process does not run that model.
        SlotsExhausted: no slot is free.
        EngineClosed: the process is stopping.
    """
    engine = _installed.get(model)
    if engine is None:
        raise ModelUnavailable(f"This worker does not serve the model {model!r}.")
    return engine.open(language=language, resume=resume, hotwords=hotwords)
