"""A running gateway: everything it is made of, wired and started, and stopped in order."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from aiohttp import web
from prometheus_client import CollectorRegistry

from asr_tasks import log
from asr_tasks.contracts.jobs import Jobs
from gateway import pages
from gateway.allocation import Allocator
from gateway.bus import SessionBus
from gateway.health import Health
from gateway.http.errors import errors_as_json
from gateway.http.front import HttpApi
from gateway.ingest import DecoderPool
from gateway.metrics import Metrics
from gateway.protocols import kaldi, native
from gateway.registry import Models, Registry
from gateway.services import Services
from gateway.sessions_store import SessionsStore
from gateway.settings import GatewaySettings

_SHUTDOWN_SECONDS: Final = 3.0
_HEADER_BYTES: Final = 16 * 1024

_log = log.get(__name__)


class Gateway:
    """A gateway that serves. Made by :func:`start`; owns bus, store and allocator."""

    def __init__(
        self, services: Services, registry: Registry, http: HttpApi, runner: web.AppRunner
    ) -> None:
        self.registry = registry
        self._services = services
        self._http = http
        self._runner = runner
        self.host, self.port = runner.addresses[0][:2]
        """Where it listens."""

    async def drain(self) -> None:
        """Take nothing new and get rid of the sessions, politely (SIGTERM)."""
        _log.info("draining", sessions=len(self.registry))
        await asyncio.gather(self.registry.drain(), self._http.drain())

    async def close(self) -> None:
        """Stop. Sessions that are left stay in Redis and the broker for other gateways."""
        await self.registry.close()
        await self._runner.cleanup()
        await self._http.close()
        await self._services.bus.close()
        await self._services.allocator.close()
        self._services.decoders.close()
        try:
            await self._services.store.forget()
        except Exception as error:  # it expires by itself
            _log.debug("the gateway's beat is left to expire", reason=str(error))
        await self._services.store.close()
        _log.info("gateway stopped")


async def start(
    settings: GatewaySettings,
    *,
    bus: SessionBus,
    store: SessionsStore,
    allocator: Allocator,
    models: Models,
    jobs: Jobs | None = None,
    metrics: CollectorRegistry | None = None,
) -> Gateway:
    """Start a gateway in this event loop; it serves when this returns, whatever is up.

    Args:
        settings: limits and address.
        bus: closed with the gateway, as are store and allocator.
        store: sessions in Redis.
        allocator: whom to ask for workers.
        models: the catalogue: ``get(name)``, and iteration over its entries.
        jobs: where batch jobs are kept, closed with the gateway; None: it takes no recordings.
        metrics: where to register metrics; a fresh one unless given.

    Raises:
        OSError: the port is taken.
        ConfigurationError: uploads cannot be kept where the settings say.
    """
    services = Services(
        settings=settings,
        bus=bus,
        store=store,
        allocator=allocator,
        decoders=DecoderPool(settings.max_decoders),
        metrics=Metrics(metrics or CollectorRegistry()),
    )
    registry = Registry(services, models)
    http = HttpApi(services, registry, models, jobs)
    await bus.start()
    registry.start()
    http.start()
    app = web.Application(middlewares=[errors_as_json])
    native.add_routes(app, registry, settings)
    kaldi.add_routes(app, registry, services)
    http.add_routes(app)
    pages.add_routes(app)
    Health(services, registry).add_routes(app)
    runner = web.AppRunner(
        app,
        access_log=None,
        handle_signals=False,
        max_line_size=_HEADER_BYTES,
        max_field_size=_HEADER_BYTES,
        keepalive_timeout=settings.header_seconds,
        shutdown_timeout=_SHUTDOWN_SECONDS,
    )
    await runner.setup()
    try:
        await web.TCPSite(runner, settings.host, settings.port, backlog=1024).start()
    except OSError:
        await _abandon(services, registry, http, runner)
        raise
    gateway = Gateway(services, registry, http, runner)
    _log.info("gateway listens", host=gateway.host, port=gateway.port)
    return gateway


async def _abandon(
    services: Services, registry: Registry, http: HttpApi, runner: web.AppRunner
) -> None:
    await registry.close()
    await runner.cleanup()
    await http.close()
    closing: list[Any] = [services.bus.close(), services.allocator.close(), services.store.close()]
    await asyncio.gather(*closing)
    services.decoders.close()
