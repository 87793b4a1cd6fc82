"""The broker of the embedded default: queues in memory, for one process.

It keeps what a session relies on: order, acknowledgement, redelivery of what a closed consumer
held, a single active consumer, bounds. It keeps nothing over the end of the process.
Selected by the broker URL ``memory://`` (``memory://NAME`` for a separate one, as in tests).
"""

from __future__ import annotations

from asr_tasks.transport.memory_broker import (
    InProcessBroker,
    QueueFull,
    QueueMissing,
    broker_for,
)
from asr_tasks.transport.memory_transport import InProcessTransport

__all__ = [
    "InProcessBroker",
    "InProcessTransport",
    "QueueFull",
    "QueueMissing",
    "broker_for",
]
