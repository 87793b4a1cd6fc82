"""Ends a running stream from outside: Flower's Terminate, ``revoke(terminate=True)``, SIGQUIT.

Celery's threads pool cannot end a task, and says NotImplementedError. A stream can: it looks at
its stop signal between two chunks. Both methods run in Celery's main thread, ``cancel`` inside
a signal handler: they only set that signal.
https://docs.celeryq.dev/en/stable/userguide/tasks.html#requests-and-custom-requests
"""

from __future__ import annotations

from typing import Any

from celery.worker.request import Request

from asr_tasks.streaming import running
from asr_tasks.streaming.running import StopReason


class StreamRequest(Request):  # type: ignore[misc]  # Celery ships no types
    """Celery's request of a stream; the task's id is the session's."""

    def terminate(self, pool: Any, signal: Any = None) -> None:
        """End the session: an operator asked for it, so it fails with code ``cancelled``.

        Flower then shows FAILURE with that error. A `task-revoked` event would not replace the
        state STREAMING: Celery ranks it before states that it does not know.
        """
        if not running.stop(self.id, StopReason.CANCELLED):
            # Accepted but not begun: Celery calls again as soon as it begins.
            self._terminate_on_ack = pool, signal

    def cancel(self, pool: Any, signal: Any = None, emit_retry: bool = True) -> None:
        """Leave the session to another worker: this process ends at once (cold shutdown)."""
        running.stop(self.id, StopReason.STALE)
