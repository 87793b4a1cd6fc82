"""``PUT`` and ``POST /client/dynamic/recognize``: a recording in a request, its text in the answer.

The HTTP side of kaldi-gstreamer-server (master_server.py, HttpChunkedRecognizeHandler). The body is
a live session's audio: it is recognised while it is uploaded, in chunks or whole, and the answer
comes when its last words are final. So an upload that is fed slowly, from a microphone, works.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any, Final

from aiohttp import ClientPayloadError, web

from asr_tasks import log
from asr_tasks.contracts import names
from asr_tasks.contracts.errors import AsrError
from gateway.audio import caps
from gateway.events import LAST, Done, Event, Failed, FinalResult
from gateway.outlet import ClientGone
from gateway.protocols.kaldi import NO_DECODER, NOT_AVAILABLE, SUCCESS, status_for
from gateway.registry import Registry, Request
from gateway.session import Session
from gateway.settings import GatewaySettings
from gateway.stopping import stop

PATH: Final = "/client/dynamic/recognize"
_CHUNK: Final = 64 * 1024
_NO_WORKERS: Final = "No workers available"
_GONE: Final = 499
_CORS: Final = {"Access-Control-Allow-Origin": "*"}
_PREFLIGHT: Final = {
    **_CORS,
    "Access-Control-Allow-Methods": "POST, PUT, OPTIONS",
    "Access-Control-Max-Age": "1000",
    "Access-Control-Allow-Headers": (
        "origin, x-csrftoken, content-type, accept, User-Id, Content-Id"
    ),
}

_log = log.get(__name__)


def add_routes(
    app: web.Application,
    registry: Registry,
    settings: GatewaySettings,
    guard: Callable[[web.Request], None],
) -> None:
    """Serve it; ``guard`` raises unless a request may pass."""

    async def recognize(request: web.Request) -> web.Response:
        guard(request)
        return await _Recognition(registry, settings, request).answer()

    async def preflight(_: web.Request) -> web.Response:
        return web.Response(headers=_PREFLIGHT)

    app.router.add_put(PATH, recognize)
    app.router.add_post(PATH, recognize)
    app.router.add_options(PATH, preflight)


class _Recognition:
    """One request; implements :class:`gateway.outlet.Outlet`."""

    def __init__(self, registry: Registry, settings: GatewaySettings, request: web.Request) -> None:
        self._registry = registry
        self._settings = settings
        self._request = request
        self._id = names.new_session_id()
        self._finals: list[str] = []
        self._end: asyncio.Future[Event] = asyncio.get_running_loop().create_future()

    async def answer(self) -> web.Response:
        """Recognise the body."""
        try:
            opened = await self._registry.open(self._opening(), self)
        except AsrError as error:
            self._registry.count_error(error)
            return self._failed(error.code, str(error))
        session = opened.session
        session.greeted()
        reading = asyncio.create_task(self._read(session), name=f"recognize {self._id}")
        try:
            # The session may end first: cancelled, no worker, too long; then nobody reads on.
            waits: set[asyncio.Future[Any]] = {reading, self._end}
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            if not self._end.done():
                await reading
                await self._ended()
            return self._told(self._end.result())
        except AsrError as error:
            session.give_up()
            self._registry.count_error(error)
            return self._failed(error.code, str(error))
        except (ConnectionError, ClientPayloadError, ClientGone):
            _log.info("the client is gone", session=self._id)
            return web.Response(status=_GONE)
        finally:
            await stop([reading])
            # Nobody comes back to it: what was accepted is transcribed and stored.
            session.detach()

    async def tell(self, event: Event) -> None:
        """Keep what will be answered."""
        if isinstance(event, FinalResult) and event.result.text:
            self._finals.append(event.result.text)
        elif isinstance(event, LAST) and not self._end.done():
            self._end.set_result(event)

    async def _read(self, session: Session) -> None:
        while chunk := await self._request.content.read(_CHUNK):
            await session.feed(chunk)
        await session.end()

    async def _ended(self) -> None:
        """Wait for the last event.

        Raises:
            ClientGone: the client waits no more.
        """
        while not self._end.done():
            transport = self._request.transport
            if transport is None or transport.is_closing():
                raise ClientGone
            await asyncio.wait({self._end}, timeout=self._settings.poll_seconds)

    def _told(self, event: Event) -> web.Response:
        match event:
            case Done():
                return self._say(
                    {
                        "status": SUCCESS,
                        "id": self._id,
                        "hypotheses": [{"utterance": " ".join(self._finals)}],
                    }
                )
            case Failed(code, message):
                return self._failed(code, message)
            case _:
                return self._failed("unavailable", NO_DECODER)

    def _failed(self, code: str, message: str) -> web.Response:
        status = status_for(code)
        if status == NOT_AVAILABLE and code != "unknown_model":
            return web.Response(status=503, text=_NO_WORKERS, headers=_CORS)
        return self._say({"status": status, "id": self._id, "message": message})

    def _say(self, body: dict[str, Any]) -> web.Response:
        return web.json_response(body, headers=_CORS, dumps=_dumps)

    def _opening(self) -> Request:
        request = self._request
        return Request(
            protocol="kaldi-http",
            model=request.query.get("model") or self._settings.default_model,
            source=caps.parse(request.headers.get("Content-Type")),
            session=self._id,
            language=request.query.get("lang", "")[:64],
            client=_client(request),
        )


def _client(request: web.Request) -> str:
    name = request.headers.get("device-id") or request.headers.get("User-Id") or "none"
    return "".join(letter for letter in name[:64] if letter.isprintable())


def _dumps(body: object) -> str:
    return json.dumps(body, ensure_ascii=False)
