"""The gateway's metrics; names as in every Prometheus shop: unit suffix, no session ids."""

from __future__ import annotations

from typing import Final

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram

_SECONDS: Final = (1, 3, 10, 30, 60, 180, 600, 1800, 3600, 10800)
_LATENCY: Final = (0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1, 2, 5, 10)


class Metrics:
    """One per process; tests and embedded stacks give each gateway its own registry."""

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        self.registry = registry
        self.sessions = Gauge(
            "asr_gateway_sessions_active", "Sessions held by this gateway.", registry=registry
        )
        self.opened = Counter(
            "asr_gateway_sessions_total",
            "Sessions opened or resumed, by protocol and whether they were resumed.",
            ["protocol", "resumed"],
            registry=registry,
        )
        self.ended = Counter(
            "asr_gateway_sessions_ended_total",
            "Sessions that ended here, by reason or error code.",
            ["outcome"],
            registry=registry,
        )
        self.errors = Counter(
            "asr_gateway_errors_total", "Errors told to clients.", ["code"], registry=registry
        )
        self.duration = Histogram(
            "asr_gateway_session_duration_seconds",
            "Life of a session at this gateway.",
            buckets=_SECONDS,
            registry=registry,
        )
        self.audio_bytes = Counter(
            "asr_gateway_audio_bytes_total", "Audio bytes from clients.", registry=registry
        )
        self.chunks = Counter(
            "asr_gateway_chunks_total", "Chunks confirmed by the broker.", registry=registry
        )
        self.backpressure = Counter(
            "asr_gateway_backpressure_seconds_total",
            "Time that reading from clients waited for the broker or the recogniser.",
            registry=registry,
        )
        self.first_partial = Histogram(
            "asr_gateway_first_result_seconds",
            "From a session's first audio to its first text.",
            buckets=_LATENCY,
            registry=registry,
        )
        self.uploads = Gauge(
            "asr_gateway_uploads_active", "Uploads that are being received.", registry=registry
        )
        self.upload_bytes = Counter(
            "asr_gateway_upload_bytes_total", "Bytes of uploads received whole.", registry=registry
        )
