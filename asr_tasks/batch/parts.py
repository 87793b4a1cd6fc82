"""What a batch worker has beside Celery: its queues, a caretaker, and a health endpoint."""

from __future__ import annotations

from typing import Any

from celery import bootsteps

BROKER_CONFIRMS = {"confirm_publish": True}
"""A task counts as sent when RabbitMQ has it: the step that sends it is acknowledged after."""


def prepare(worker: Any, conf: Any) -> None:
    """Before anything is set up."""
    # Not the direct queue that stream workers have: `-Q` would not be all.
    conf.worker_direct = False
    conf.broker_transport_options = {**conf.broker_transport_options, **BROKER_CONFIRMS}


class BatchParts(bootsteps.StartStopStep):  # type: ignore[misc]  # Celery ships no types
    """The caretaker's thread, in the process that no recording can kill."""

    requires = ("celery.worker.components:Pool",)

    def __init__(self, worker: Any, **options: Any) -> None:
        super().__init__(worker, **options)
        self._caretaker: Any = None

    def include_if(self, worker: Any) -> bool:
        """Only in a batch worker."""
        from asr_tasks.worker.settings import WorkerSettings

        given = getattr(worker, "asr_settings", None) or WorkerSettings.load()
        return bool(given.worker_role == "batch")

    def start(self, worker: Any) -> None:
        """Begin to look after the jobs."""
        from asr_tasks.batch.caretaker import Caretaker
        from asr_tasks.batch.settings import BatchSettings

        self._caretaker = Caretaker(worker.app, BatchSettings.load())
        self._caretaker.start()

    def stop(self, worker: Any) -> None:
        """End the thread."""
        if self._caretaker is not None:
            self._caretaker.close()

    terminate = stop
