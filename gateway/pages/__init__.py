"""The one page: try the gateway from a browser, with a microphone or a file."""

from __future__ import annotations

from importlib.resources import files

from aiohttp import web


def add_routes(app: web.Application) -> None:
    """Serve ``/``."""
    page = files("gateway.pages").joinpath("index.html").read_text("utf-8")

    async def index(_: web.Request) -> web.Response:
        return web.Response(
            text=page,
            content_type="text/html",
            headers={
                "Content-Security-Policy": "default-src 'self' 'unsafe-inline'; connect-src *",
                "X-Content-Type-Options": "nosniff",
            },
        )

    app.router.add_get("/", index)
