"""HTTP for people and probes: /healthz, /readyz, /metrics."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Self

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

Check = Callable[[], Awaitable[None]]
"""Raises, within a few seconds, if a dependency does not answer."""

CHECK_TIMEOUT = 3.0
"""Seconds until a check that does not answer has failed."""


class HealthServer:
    """A small HTTP server in the caller's loop."""

    def __init__(self, runner: web.AppRunner, address: str) -> None:
        self._runner = runner
        self.address = address

    @classmethod
    async def start(cls, listen: str, checks: Mapping[str, Check]) -> Self:
        """Serve on ``host:port``; port 0 is any free one.

        Raises:
            OSError: the port is taken.
        """
        host, _, port = listen.rpartition(":")
        app = web.Application()
        app.router.add_get("/healthz", _alive)
        app.router.add_get("/readyz", _ready(checks))
        app.router.add_get("/metrics", _metrics)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        await web.TCPSite(runner, host, int(port)).start()
        return cls(runner, "{}:{}".format(*runner.addresses[0][:2]))

    async def close(self) -> None:
        """Stop serving."""
        await self._runner.cleanup()


async def run_checks(checks: Mapping[str, Check]) -> dict[str, str]:
    """``ok`` or what went wrong, by name."""

    async def one(check: Check) -> str:
        try:
            await asyncio.wait_for(check(), CHECK_TIMEOUT)
        except TimeoutError:
            return "no answer"
        except Exception as error:
            return str(error) or type(error).__name__
        return "ok"

    return dict(zip(checks, await asyncio.gather(*map(one, checks.values())), strict=True))


async def _alive(request: web.Request) -> web.Response:
    return web.json_response({"status": "ok"})


def _ready(checks: Mapping[str, Check]) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def ready(request: web.Request) -> web.Response:
        found = await run_checks(checks)
        good = all(text == "ok" for text in found.values())
        return web.json_response(
            {"status": "ok" if good else "unavailable", "checks": found},
            status=200 if good else 503,
        )

    return ready


async def _metrics(request: web.Request) -> web.Response:
    return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})
