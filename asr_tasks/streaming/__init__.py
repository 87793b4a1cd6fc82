"""The framework: a stream is a Celery task that iterates over its own queue.

::

    from asr_tasks.contracts.results import Result
    from asr_tasks.streaming import StreamingCelery

    app = StreamingCelery("my_streams")

    @app.stream_task(name="my.task")
    def count(stream):
        for chunk in stream:                   # audio, in order, each sample once
            stream.emit(Result(text=f"{chunk.end} samples"))
        stream.emit(Result(text="over", final=True))

Everything else is the framework's: the queue, order, de-duplication, acknowledgement,
checkpoints, fencing, back-pressure, cancellation, limits. What a task must know is in
:class:`~asr_tasks.streaming.stream.Stream`; how to test one without a broker is in
:mod:`asr_tasks.streaming.testing`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from asr_tasks.streaming.app import StreamingCelery
    from asr_tasks.streaming.stream import Stream

__all__ = ["Stream", "StreamingCelery"]


def __getattr__(name: str) -> object:
    # Importing the package must not import Celery: run_stream and Stream need none.
    if name == "StreamingCelery":
        from asr_tasks.streaming.app import StreamingCelery

        return StreamingCelery
    if name == "Stream":
        from asr_tasks.streaming.stream import Stream

        return Stream
    raise AttributeError(name)
