"""Hangs a stream worker's own parts into Celery's worker.

Celery starts its parts in order: pool, then ours (which load the model), then the consumer of
its queue; and stops them backwards: ours before the pool has waited for its tasks, so ours wait
themselves for the last stream to leave.
https://docs.celeryq.dev/en/stable/userguide/extending.html#worker-bootsteps
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from celery import Celery, bootsteps, signals

if TYPE_CHECKING:
    from asr_tasks.worker.process import StreamProcess

SPARE_THREADS = 2
"""Above the slots: a stream that is being left must not keep its successor waiting."""

_process: list[StreamProcess] = []


class StreamParts(bootsteps.StartStopStep):  # type: ignore[misc]  # Celery ships no types
    """Starts and stops the process's parts."""

    requires = ("celery.worker.components:Pool",)

    def include_if(self, worker: Any) -> bool:
        """Not in a batch worker."""
        return not _is_batch(worker)

    def start(self, worker: Any) -> None:
        """Load the model and connect; Celery ends the worker with the error this raises."""
        from asr_tasks.worker.process import StreamProcess
        from asr_tasks.worker.settings import WorkerSettings

        given = getattr(worker, "asr_settings", None) or WorkerSettings.load()
        name = worker.hostname.partition("@")[2]
        settings = given.model_copy(update={"worker_name": name})
        process = StreamProcess(settings, _stop_softly)
        if worker.concurrency < process.slots:
            raise RuntimeError(
                f"{worker.concurrency} threads for {process.slots} slots: start the worker with "
                f"`-c {process.slots + SPARE_THREADS}`, or by `python -m asr_tasks.worker`"
            )
        process.start()
        _process[:] = [process]

    def stop(self, worker: Any) -> None:
        """End the parts; waits for the streams to leave."""
        while _process:
            _process.pop().stop()

    terminate = stop


def install(app: Celery) -> None:
    """Give workers of this app the parts, and connect the signals they need."""
    from asr_tasks.batch.parts import BatchParts

    app.steps["worker"].add(StreamParts)
    app.steps["worker"].add(BatchParts)
    signals.celeryd_init.connect(_prepare, weak=False)
    signals.worker_ready.connect(_ready, weak=False)
    signals.worker_shutting_down.connect(_leaving, weak=False)
    signals.setup_logging.connect(_log_our_way, weak=False)


def _prepare(sender: str, instance: Any, conf: Any, **_: Any) -> None:
    """Before anything is set up: name, queue and threads of a worker started without options."""
    from asr_tasks.contracts.names import node_name
    from asr_tasks.transport.direct import dispatch_queue
    from asr_tasks.worker.process import entry_of
    from asr_tasks.worker.settings import WorkerSettings

    settings = WorkerSettings.load()
    if _is_batch(instance):
        from asr_tasks.batch import parts

        parts.prepare(instance, conf)
        return
    if not sender.startswith("asr@"):
        instance.hostname = node_name(settings.worker_name)
    # Without `-Q` a worker consumes every queue it knows: let it know its own only.
    name = instance.hostname.partition("@")[2]
    conf.task_queues = [dispatch_queue(name, settings.queue_type)]
    conf.worker_direct = False  # Celery would add it once more, without its arguments
    conf.worker_concurrency = entry_of(settings).slots + SPARE_THREADS


def _is_batch(worker: Any) -> bool:
    from asr_tasks.worker.settings import WorkerSettings

    given = getattr(worker, "asr_settings", None) or WorkerSettings.load()
    return bool(given.worker_role == "batch")


def _ready(**_: Any) -> None:
    for process in _process:
        process.ready()


def _leaving(**_: Any) -> None:
    # Inside a signal handler: Drain.begin only sets an event.
    for process in _process:
        process.drain.begin()


def _stop_softly() -> None:
    from celery.worker import state

    # Celery's main loop looks at this; 0 is the exit status.
    if not state.should_stop:
        state.should_stop = 0


def _log_our_way(**_: Any) -> None:
    from asr_tasks import log
    from asr_tasks.worker.settings import WorkerSettings

    settings = WorkerSettings.load()
    log.configure(settings.log_level, json_lines=settings.log_json)
