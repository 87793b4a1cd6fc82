"""What server and monitor count (Prometheus)."""

from __future__ import annotations

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

ALLOCATIONS: Final = Counter(
    "asr_allocator_allocations_total", "Answers to AllocateWorker.", ["result"]
)
ALLOCATE_SECONDS: Final = Histogram(
    "asr_allocator_allocate_seconds",
    "Time to answer AllocateWorker.",
    buckets=(0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 2.5),
)
ATTACHED: Final = Gauge("asr_allocator_workers_attached", "Worker streams at this replica.")
FAILED_OVER: Final = Counter(
    "asr_allocator_failovers_total", "Sessions that were taken from a worker.", ["reason"]
)
EXPIRED: Final = Counter(
    "asr_allocator_leases_expired_total", "Workers that were declared gone.", ["reason"]
)
LEADER: Final = Gauge("asr_monitor_leader", "1 while this monitor leads.")
WORKERS: Final = Gauge(
    "asr_workers", "Workers, as the leading monitor sees them.", ["model", "state"]
)
SLOTS: Final = Gauge(
    "asr_worker_slots",
    "Slots of ready workers, seen by the leader.",
    ["model", "state"],
)
DECISIONS: Final = Counter(
    "asr_scaling_decisions_total", "Changes of the number of workers.", ["model", "direction"]
)
SCALING_ERRORS: Final = Counter(
    "asr_scaling_errors_total", "Looks at a model's workers that failed.", ["model"]
)
REPLICAS: Final = Gauge(
    "asr_scaling_replicas", "Workers that are wanted, and told to run.", ["model", "kind"]
)
WAITING: Final = Gauge("asr_sessions_waiting", "Sessions without a worker.", ["model"])
