"""``/openapi.json``, and ``/docs``: the same for people, one page that loads nothing."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import Any, Final

from aiohttp import web

from gateway.http.openapi import document

_HEAD: Final = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>HTTP API</title>
<style>
  body { font: 16px/1.5 system-ui, sans-serif; max-width: 52rem; margin: 3rem auto;
    padding: 0 1rem }
  code { background: #8882; padding: 0 .2rem }
  table { border-collapse: collapse } td { padding: .1rem .8rem .1rem 0; vertical-align: top }
  summary { cursor: pointer; margin: .3rem 0 }
</style>
<h1>HTTP API</h1>
<p>Described for programs in <a href="/openapi.json">/openapi.json</a>. Live audio goes over
WebSockets, which are not in it. <a href="/">Try it</a> with a microphone.</p>
"""


def add_routes(app: web.Application) -> None:
    """Serve the two."""
    page = "\n".join([_HEAD, *_operations(document())])

    async def described(_: web.Request) -> web.Response:
        return web.json_response(document(), headers={"Access-Control-Allow-Origin": "*"})

    async def docs(_: web.Request) -> web.Response:
        return web.Response(
            text=page,
            content_type="text/html",
            headers={
                "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
                "X-Content-Type-Options": "nosniff",
            },
        )

    app.router.add_get("/openapi.json", described)
    app.router.add_get("/docs", docs)


def _operations(described: dict[str, Any]) -> Iterator[str]:
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            yield f"<details><summary><code>{method.upper()} {escape(path)}</code> "
            yield f"{escape(operation['summary'])}</summary><table>"
            for parameter in operation.get("parameters", ()):
                yield _row(parameter["name"], parameter["in"], parameter.get("description", ""))
            content = operation.get("requestBody", {}).get("content", {})
            for kind, media in content.items():
                for name, schema in media["schema"].get("properties", {}).items():
                    needed = name in media["schema"].get("required", ())
                    where = f"{kind}, {'required' if needed else 'optional'}"
                    yield _row(name, where, _about(schema))
            for status, answer in operation["responses"].items():
                kinds = ", ".join(answer.get("content", {}))
                yield _row(status, kinds, answer["description"])
            yield "</table></details>"


def _about(schema: dict[str, Any]) -> str:
    values = schema.get("enum") or schema.get("items", {}).get("enum") or ()
    return " ".join([schema.get("description", ""), ", ".join(values)]).strip()


def _row(*cells: str) -> str:
    return f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in cells)}</tr>"
