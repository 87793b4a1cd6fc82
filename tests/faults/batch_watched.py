"""For `-I` of a Celery worker, and for nobody else: whoever imports this hears by WatchedEcho."""

from __future__ import annotations

from asr_tasks.recognizers import offline
from tests.faults.batch_hearing import WatchedEcho

offline.EchoOffline = WatchedEcho  # type: ignore[misc]
