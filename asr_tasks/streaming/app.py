"""A Celery app with one decorator more."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from celery import Celery

from asr_tasks.streaming.task import StreamTask


class StreamingCelery(Celery):  # type: ignore[misc]  # Celery ships no types
    """Celery, plus :meth:`stream_task`."""

    def stream_task(self, name: str, **options: Any) -> Callable[[Callable[..., Any]], StreamTask]:
        """Make a stream task of ``function(stream, *, …)``.

        Args:
            name: the task's name, as the allocator sends it and Flower shows it.
            options: any of Celery's task options.
        """

        def decorate(function: Callable[..., Any]) -> StreamTask:
            task: StreamTask = self.task(name=name, base=StreamTask, **options)(function)
            return task

        return decorate
