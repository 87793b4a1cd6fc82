"""What the worker's side of the broker counts."""

from __future__ import annotations

from prometheus_client import Counter, Gauge

CONNECTED = Gauge(
    "asr_transport_connected", "1 while the connection to the broker is up.", ["connection"]
)
LOST = Counter(
    "asr_transport_connections_lost_total", "Connections to the broker that broke.", ["connection"]
)
DROPPED = Counter(
    "asr_transport_partials_dropped_total", "Partials not sent because the broker was away."
)
UNREADABLE = Counter(
    "asr_transport_unreadable_total", "Messages on audio queues that were not audio."
)
