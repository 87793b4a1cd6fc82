"""Leaving without costing a call anything: hand over every stream, then stop.

Begun by SIGTERM (Celery's warm shutdown) or by the allocator's Drain command. From then on the
allocator gives this worker nothing new; each stream ends at its next utterance boundary, and its
session goes on elsewhere, by the path a failover takes.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from asr_tasks import log
from asr_tasks.rpc import worker_manager_pb2 as pb
from asr_tasks.streaming import running
from asr_tasks.streaming.running import StopReason
from asr_tasks.worker.report import Condition

_log = log.get("asr.worker")

LOOK_SECONDS = 0.1

LEAVE_SECONDS = 5.0
"""Longest wait for streams that were told to leave at once."""


class Drain:
    """One per worker process.

    Args:
        condition: told that this worker drains.
        limit: seconds until streams that have not ended are told to leave at once; their
            sessions are then taken over from the last commit.
        on_empty: called when the last stream has ended.
    """

    def __init__(self, condition: Condition, limit: float, on_empty: Callable[[], None]) -> None:
        self._condition = condition
        self._limit = limit
        self._on_empty = on_empty
        self._asked = threading.Event()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="drain", daemon=True)

    @property
    def asked(self) -> bool:
        """Whether this worker is leaving."""
        return self._asked.is_set()

    def start(self) -> None:
        """Wait, in a thread, to be asked."""
        self._thread.start()

    def begin(self) -> None:
        """Ask for it. Only sets an event: it is called inside a signal handler."""
        self._asked.set()

    def wait(self) -> None:
        """Return once every stream has left, or does not in time; from another thread.

        Celery ends our parts before it waits for its tasks: without this the model would be gone
        under streams that were still on their way to the end of an utterance.
        """
        limit = LEAVE_SECONDS + (self._limit if self.asked else 0.0)
        deadline = time.monotonic() + limit
        while running.list_running() and (left := deadline - time.monotonic()) > 0:
            # A dispatch that had arrived already may begin a stream only now.
            soft = self.asked and left > LEAVE_SECONDS
            running.stop_all(StopReason.DRAIN if soft else StopReason.STALE)
            self._ended.wait(LOOK_SECONDS)
        if streams := running.list_running():
            _log.warning("streams do not leave", streams=len(streams))

    def close(self) -> None:
        """End the thread."""
        self._ended.set()
        self._asked.set()
        self._thread.join(5.0)

    def _run(self) -> None:
        self._asked.wait()
        if self._ended.is_set():
            return
        streams = len(running.list_running())
        _log.info("draining", streams=streams, limit=self._limit)
        self._condition.become(pb.DRAINING)
        deadline = time.monotonic() + self._limit
        while running.list_running() and not self._ended.is_set():
            late = time.monotonic() > deadline
            # Again and again: a dispatch that was on its way may begin a stream meanwhile.
            running.stop_all(StopReason.STALE if late else StopReason.DRAIN)
            self._ended.wait(LOOK_SECONDS)
        self._on_empty()
