"""Live transcription: the stream task behind every call."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from asr_tasks import recognizers
from asr_tasks.celery import app
from asr_tasks.contracts.names import STREAM_TASK
from asr_tasks.streaming.stream import Stream, samples

CATCH_UP_SECONDS: Final = 1.0
"""Of audio, heard at once where so much waits: its frames then step together with those of the
other streams that have lost the same worker, and nobody wakes up for each."""


@app.stream_task(name=STREAM_TASK)
def transcribe(
    stream: Stream,
    *,
    model: str,
    language: str | None = None,
    hotwords: Sequence[str] = (),
    **_: Any,
) -> None:
    """Recognise a session's audio with the model this worker runs.

    Args:
        stream: the session.
        model: the catalogue's name of the model; must be the one of this worker.
        language: for models of several languages.
        hotwords: words to listen for, if the model can.
    """
    with recognizers.open(
        model, language=language or None, resume=stream.checkpoint, hotwords=hotwords
    ) as recognizer:
        for chunk in stream.joined(CATCH_UP_SECONDS):
            results = recognizer.accept(samples(chunk))
            for result in results:
                stream.emit(result)
            if any(result.final for result in results) or stream.checkpoint_due:
                stream.commit(recognizer.checkpoint())
        for result in recognizer.finish():
            stream.emit(result)
