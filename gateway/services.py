"""What every session of a gateway uses."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.allocation import Allocator
from gateway.bus import SessionBus
from gateway.ingest import DecoderPool
from gateway.metrics import Metrics
from gateway.sessions_store import SessionsStore
from gateway.settings import GatewaySettings


@dataclass(frozen=True, slots=True)
class Services:
    """Made once by :func:`gateway.app.start`, handed down."""

    settings: GatewaySettings
    bus: SessionBus
    store: SessionsStore
    allocator: Allocator
    decoders: DecoderPool
    metrics: Metrics
