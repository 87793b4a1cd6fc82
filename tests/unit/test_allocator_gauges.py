"""What a monitor shows, and when it shows nothing."""

from __future__ import annotations

from typing import Any

from prometheus_client import REGISTRY

from allocator import metrics
from allocator.monitor import Monitor
from allocator.settings import MonitorSettings

SHOWN = ("asr_workers", "asr_worker_slots", "asr_sessions_waiting")


async def test_a_monitor_that_does_not_lead_shows_no_fleet() -> None:
    nothing: Any = None
    monitor = Monitor(MonitorSettings(), nothing, nothing)
    metrics.WORKERS.labels("english", "idle").set(3)
    metrics.SLOTS.labels("english", "free").set(3)
    metrics.WAITING.labels("english").set(3)
    await monitor.look()
    assert not [
        sample for metric in REGISTRY.collect() if metric.name in SHOWN for sample in metric.samples
    ]
