"""What an engine tells Prometheus."""

from __future__ import annotations

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

BATCH_SIZE: Final = Histogram(
    "asr_engine_batch_size",
    "Streams stepped together.",
    buckets=(1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 64),
)
STEP_SECONDS: Final = Histogram(
    "asr_engine_step_seconds",
    "Time of one step of the model, whatever the batch.",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
)
WAIT_SECONDS: Final = Histogram(
    "asr_engine_wait_seconds",
    "Time a ready frame waited for the model.",
    buckets=(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5),
)
AUDIO_SECONDS: Final = Counter("asr_engine_audio_seconds", "Seconds of audio that were recognised.")
SLOTS_USED: Final = Gauge("asr_engine_slots_used", "Streams open in this process's engine.")
FAILURES: Final = Counter(
    "asr_engine_failures", "Steps that failed, by what came of it.", ["outcome"]
)
