"""``/healthz`` (the loop runs), ``/readyz`` (which dependency does not answer), ``/metrics``."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Final

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from asr_tasks.contracts.errors import AsrError
from gateway.registry import Registry
from gateway.services import Services

_CHECK_SECONDS: Final = 1.5
_BLOCKED_SECONDS: Final = 0.2
_FRESH_SECONDS: Final = 1.0
"""An answer is used again for so long: many who ask must not become load."""


class Health:
    """One per gateway."""

    def __init__(self, services: Services, registry: Registry) -> None:
        self._services = services
        self._registry = registry
        self._asked = -1e9
        self._missing: list[str] = []
        self._lock = asyncio.Lock()

    def add_routes(self, app: web.Application) -> None:
        """Serve the three."""
        app.router.add_get("/healthz", self._healthz)
        app.router.add_get("/readyz", self._readyz)
        app.router.add_get("/metrics", self._metrics)

    async def missing(self) -> list[str]:
        """The names of the dependencies that do not answer, and what else keeps audio back."""
        loop = asyncio.get_running_loop()
        async with self._lock:
            if loop.time() - self._asked > _FRESH_SECONDS:
                bus = self._services.bus
                checks = {
                    "broker": self._broker(),
                    "broker: blocked": bus.unblocked(_BLOCKED_SECONDS),
                    "redis": self._redis(),
                    "allocator": self._services.allocator.ready(),
                }
                answers = await asyncio.gather(*(_answers(check) for check in checks.values()))
                missing = [name for name, ok in zip(checks, answers, strict=True) if not ok]
                if "broker" in missing:  # then the alarm cannot be known
                    missing = [name for name in missing if name != "broker: blocked"]
                self._missing = missing
                self._asked = loop.time()
        return self._missing

    async def _broker(self) -> bool:
        return self._services.bus.ready()

    async def _redis(self) -> bool:
        await self._services.store.beat()
        return True

    async def _healthz(self, _: web.Request) -> web.Response:
        return web.json_response({"status": "alive"})

    async def _readyz(self, _: web.Request) -> web.Response:
        missing = await self.missing()
        ready = not missing and not self._registry.draining
        return web.json_response(
            {
                "status": "ready" if ready else "not ready",
                "missing": missing,
                "draining": self._registry.draining,
                "sessions": len(self._registry),
            },
            status=200 if ready else 503,
        )

    async def _metrics(self, _: web.Request) -> web.Response:
        body = generate_latest(self._services.metrics.registry)
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})


async def _answers(check: Awaitable[bool]) -> bool:
    try:
        async with asyncio.timeout(_CHECK_SECONDS):
            return await check
    except (TimeoutError, AsrError):
        return False
