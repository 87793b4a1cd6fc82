"""A worker in a thread of another process: the embedded default, and tests.

::

    with EmbeddedWorker(WorkerSettings(broker_url="memory://", redis_url=…)) as worker:
        worker.wait_ready(30)

It installs no signal handlers (its thread is not the main one): whoever starts it stops it.
One at a time in a process: Celery's own state is per process.
"""

from __future__ import annotations

import threading
import time
from types import TracebackType
from typing import Any, Self

from celery import signals
from celery.app.trace import setup_worker_optimizations
from celery.worker import WorkController, state

from asr_tasks import log
from asr_tasks.celery import app, configure
from asr_tasks.contracts.names import direct_queue, node_name
from asr_tasks.transport.direct import dispatch_queue
from asr_tasks.worker.bootstep import SPARE_THREADS
from asr_tasks.worker.process import entry_of
from asr_tasks.worker.settings import WorkerSettings

_log = log.get("asr.worker")

STOP_SECONDS = 15.0
WAKE_SECONDS = 0.05

TIMER_SECONDS = 0.1
"""Celery's timer thread sleeps this long at most; the end of a worker waits for it to wake."""


class _Worker(WorkController):  # type: ignore[misc]  # Celery ships no types
    """Celery's worker without its command line."""

    def on_consumer_ready(self, consumer: Any) -> None:
        """Say what the command line's worker says."""
        signals.worker_ready.send(sender=consumer)


class EmbeddedWorker:
    """Runs from :meth:`start` to :meth:`stop`; both return quickly but for what they wait for.

    Args:
        settings: of the worker; `worker_http` empty: no health server.
    """

    def __init__(self, settings: WorkerSettings) -> None:
        self._settings = settings
        self._ready = threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="celery-worker", daemon=True)

    def start(self) -> None:
        """Begin; returns before the model is loaded."""
        configure(self._settings)
        state.should_stop = state.should_terminate = None
        signals.worker_ready.connect(self._on_ready, weak=False)
        self._thread.start()

    def wait_ready(self, timeout: float) -> None:
        """Return once it takes streams.

        Raises:
            RuntimeError: it ended instead; the cause is chained.
            TimeoutError: it is not ready after ``timeout`` seconds.
        """
        deadline = time.monotonic() + timeout
        while not self._ready.wait(0.05):
            if not self._thread.is_alive():
                raise RuntimeError("the worker did not start") from self._error
            if time.monotonic() > deadline:
                raise TimeoutError(f"the worker is not ready after {timeout} s")

    def wait_ended(self) -> None:
        """Return when it has been stopped; for whoever wants to know that it was not.

        Raises:
            RuntimeError: it ended by itself with an error; the cause is chained.
        """
        self._thread.join()
        if self._error is not None:
            raise RuntimeError("the worker broke") from self._error

    def stop(self) -> None:
        """Stop at once: streams leave, as for a successor; then the parts end."""
        if not self._thread.is_alive():
            return
        from asr_tasks.streaming import running
        from asr_tasks.streaming.running import StopReason

        running.stop_all(StopReason.STALE)
        state.should_stop = 0
        deadline = time.monotonic() + STOP_SECONDS
        while self._thread.is_alive() and time.monotonic() < deadline:
            _wake()
            self._thread.join(WAKE_SECONDS)
        if self._thread.is_alive():
            _log.warning("the embedded worker does not end")
        signals.worker_ready.disconnect(self._on_ready)
        state.should_stop = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _on_ready(self, **_: Any) -> None:
        self._ready.set()

    def _run(self) -> None:
        name = self._settings.worker_name
        try:
            # As the command line does. Makes this app the default one of every thread, without
            # which the pool's threads would trace tasks under an app of Celery's own making.
            setup_worker_optimizations(app, node_name(name))
            app.loader.import_default_modules()
            worker = _Worker(
                app=app,
                hostname=node_name(name),
                pool_cls="threads",
                concurrency=entry_of(self._settings).slots + SPARE_THREADS,
                queues=[direct_queue(name)],
                task_events=True,
                without_mingle=True,
                without_gossip=True,
                timer_precision=TIMER_SECONDS,
            )
            app.amqp.queues.select_add(dispatch_queue(name, self._settings.queue_type))
            worker.asr_settings = self._settings
            worker.start()
        except BaseException as error:
            self._error = error
            _log.exception("the embedded worker ended")


def _wake() -> None:
    """Send the worker's loop a message: it waits up to two seconds for one.

    Told to stop, it waits for another one before it ends (celery 5.7.0, worker/loops.py, synloop).
    """
    try:
        app.control.broadcast("heartbeat")
    except Exception as error:  # then it just takes the two seconds
        _log.debug("not woken", error=str(error))
