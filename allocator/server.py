"""The gRPC server, started and stopped; several replicas serve side by side."""

from __future__ import annotations

from typing import Self

import grpc
from grpc_health.v1 import health_pb2
from grpc_health.v1._async import HealthServicer
from grpc_health.v1.health_pb2_grpc import add_HealthServicer_to_server
from grpc_reflection.v1alpha import reflection

from allocator.dispatcher import Dispatcher
from allocator.health import Check, HealthServer
from allocator.models import Models
from allocator.moves import Moves
from allocator.pulse import Pulse
from allocator.service import WorkerManager
from allocator.settings import ServerSettings
from allocator.store import Store
from asr_tasks import log
from asr_tasks.rpc import worker_manager_pb2 as pb
from asr_tasks.rpc.worker_manager_pb2_grpc import add_WorkerManagerServiceServicer_to_server

_log = log.get("asr.allocator")

SERVICE = pb.DESCRIPTOR.services_by_name["WorkerManagerService"].full_name

_OPTIONS = (
    # A peer whose machine vanished sends no FIN: ask, and break the stream if nobody answers.
    ("grpc.keepalive_time_ms", 2000),
    ("grpc.keepalive_timeout_ms", 2000),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 500),
    ("grpc.http2.max_ping_strikes", 0),
    ("grpc.max_receive_message_length", 1 << 20),
    # Two servers on one port would share it silently.
    ("grpc.so_reuseport", 0),
)


class AllocatorServer:
    """A running server. Belongs to one asyncio loop; close it there."""

    def __init__(
        self,
        server: grpc.aio.Server,
        service: WorkerManager,
        health: HealthServicer,
        pulse: Pulse,
        http: HealthServer | None,
        address: str,
        stop_seconds: float,
    ) -> None:
        self._server = server
        self._service = service
        self._health = health
        self._pulse = pulse
        self._http = http
        self._stop_seconds = stop_seconds
        self.address = address
        """``host:port`` of gRPC."""
        self.http_address = http.address if http else ""
        """``host:port`` of health and metrics, or empty."""

    @classmethod
    async def start(
        cls, settings: ServerSettings, store: Store, dispatcher: Dispatcher, models: Models
    ) -> Self:
        """Listen. Store and dispatcher stay the caller's to close, after this server.

        Raises:
            RuntimeError, OSError: a port is taken.
        """
        server = grpc.aio.server(options=_OPTIONS)
        service = WorkerManager(Moves(store, dispatcher), models)
        add_WorkerManagerServiceServicer_to_server(service, server)
        health = HealthServicer()
        add_HealthServicer_to_server(health, server)
        reflection.enable_server_reflection(
            (
                SERVICE,
                health_pb2.DESCRIPTOR.services_by_name["Health"].full_name,
                reflection.SERVICE_NAME,
            ),
            server,
        )
        host, _, wanted = settings.allocator_listen.rpartition(":")
        port = server.add_insecure_port(f"{host}:{wanted}")

        async def turned(well: bool) -> None:
            status = health_pb2.HealthCheckResponse
            for name in ("", SERVICE):
                await health.set(name, status.SERVING if well else status.NOT_SERVING)

        await turned(False)  # until Redis has answered the first beat
        await server.start()
        pulse = Pulse(store, settings.allocator_name, turned)
        http = None
        if settings.allocator_http:
            checks: dict[str, Check] = {"redis": store.ping, "broker": dispatcher.ping}
            http = await HealthServer.start(settings.allocator_http, checks)
        address = f"{'127.0.0.1' if host in ('0.0.0.0', '[::]', '') else host}:{port}"
        _log.info("allocator listens", address=address, http=http.address if http else None)
        return cls(server, service, health, pulse, http, address, settings.stop_seconds)

    async def close(self) -> None:
        """Stop taking calls, let running ones end, break the workers' streams.

        The workers are well: none becomes a suspect because this replica stops.
        """
        self._service.stop()
        await self._health.enter_graceful_shutdown()
        await self._pulse.close()
        # Attach streams never end by themselves; stop() cancels what is left after the grace.
        await self._server.stop(min(self._stop_seconds, 0.5))
        await self._service.settle()
        if self._http is not None:
            await self._http.close()
        _log.info("allocator stopped", address=self.address)


async def serve(
    settings: ServerSettings, store: Store, dispatcher: Dispatcher, models: Models
) -> AllocatorServer:
    """Start a server in this loop: for `python -m allocator server` and the embedded stack."""
    return await AllocatorServer.start(settings, store, dispatcher, models)
