"""``/client/ws/speech`` and ``/client/ws/status``: the protocol of kaldi-gstreamer-server.

https://github.com/alumae/kaldi-gstreamer-server (master_server.py, worker.py); clients that were
written for it work unchanged. What there is of ours in it: the query may name a ``model``, and a
session for which no worker is free waits for one instead of being refused at once.

There are no acknowledgements and no resuming in this protocol: when the connection breaks, the
session is ended and what was accepted is transcribed and stored.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any, Final
from urllib.parse import unquote_plus

from aiohttp import WSMsgType, web

from asr_tasks import log
from asr_tasks.contracts import names
from asr_tasks.contracts.errors import AsrError
from asr_tasks.contracts.results import Result
from asr_tasks.contracts.states import SessionState
from gateway.audio import caps
from gateway.connection import Connection
from gateway.events import Done, Event, Failed, FinalResult, Moved, PartialResult, StateChanged
from gateway.outlet import ClientGone
from gateway.protocols.kaldi_status import Board
from gateway.registry import Registry, Request
from gateway.services import Services
from gateway.session import Session
from gateway.settings import GatewaySettings
from gateway.stopping import stop

SUCCESS: Final = 0
NO_SPEECH: Final = 1
ABORTED: Final = 2
NOT_ALLOWED: Final = 5
"""What the old server sends when its decoder fails (K6nele calls it: no valid frames)."""
NOT_AVAILABLE: Final = 9

_STATUS: Final = {
    "no_worker": NOT_AVAILABLE,
    "overloaded": NOT_AVAILABLE,
    "backend_down": NOT_AVAILABLE,
    "unavailable": NOT_AVAILABLE,
    "model_unavailable": NOT_AVAILABLE,
    "unknown_model": NOT_AVAILABLE,
    "cancelled": ABORTED,
    "idle_timeout": NO_SPEECH,
}
"""Status of our error codes; every other one is :data:`NOT_ALLOWED`."""
NO_DECODER: Final = "No decoder available, try again later"
_EOS: Final = "EOS"

_log = log.get(__name__)


def add_routes(app: web.Application, registry: Registry, services: Services) -> None:
    """Serve the protocol."""
    board = Board(registry, services)

    async def speech(request: web.Request) -> web.StreamResponse:
        return await _Client(registry, services.settings).serve(request)

    async def close_board(app: web.Application) -> None:
        await board.close()

    app.router.add_get("/client/ws/speech", speech)
    app.router.add_get("/client/ws/status", board.serve)
    app.on_cleanup.append(close_board)


class _Client:
    """One connection of one client."""

    def __init__(self, registry: Registry, settings: GatewaySettings) -> None:
        self._registry = registry
        self._settings = settings
        self._connection = Connection(settings)
        self._id = names.new_session_id()
        self._partials = True
        self._segment = 0
        self._segment_end = 0.0
        self._adaptation: dict[str, Any] | None = None
        self._eos = False
        self._streaming = False
        self._last_result = asyncio.get_running_loop().time()

    async def serve(self, request: web.Request) -> web.StreamResponse:
        await self._connection.open(request)
        query = _query(request.query_string)
        self._partials = query.get("partial", "true").lower() != "false"
        try:
            opened = await self._registry.open(self._request(query), self)
        except AsrError as error:
            self._registry.count_error(error)
            await self._refuse(error)
            return self._connection.ws
        session = opened.session
        session.greeted()
        silence = asyncio.create_task(self._watch_silence(session), name=f"silence {self._id}")
        try:
            await self._read(session)
        except AsrError as error:
            session.give_up()
            self._registry.count_error(error)
            await self._refuse(error)
        finally:
            await stop([silence])
            session.detach()
        return self._connection.ws

    # gateway.outlet.Outlet

    async def tell(self, event: Event) -> None:
        """Send an event as the old server would have."""
        match event:
            case StateChanged(state, _):
                self._streaming = state == SessionState.STREAMING
                self._touch()
            case PartialResult(_, result):
                self._touch()
                if self._partials:
                    await self._send(self._hypothesis(result))
            case FinalResult(_, result):
                self._touch()
                await self._send(self._final(result))
                self._segment += 1
            case Done():
                if self._adaptation is None:
                    await self._connection.close(1000)
                else:
                    await self._close({"status": SUCCESS, "adaptation_state": self._adaptation})
            case Failed(code, message):
                await self._fail(status_for(code), message)
            case Moved():
                await self._fail(NOT_AVAILABLE, NO_DECODER)
            case _:
                return

    async def _read(self, session: Session) -> None:
        while (message := await self._connection.receive()) is not None:
            data = message.data
            if data in (_EOS, _EOS.encode()):
                self._eos = True
                await session.end()
            elif self._eos:
                continue  # the old server ignores what comes after EOS
            elif message.type is WSMsgType.BINARY:
                await session.feed(data)
            else:
                self._control(data)

    def _control(self, text: str) -> None:
        """A text message: an adaptation state, or nothing that means anything.

        There is no speaker adaptation in this system. A state that a client brings is given back
        to it unchanged at the end, so that the client keeps what it has.
        """
        try:
            raw = json.loads(text)
        except (ValueError, RecursionError):
            _log.info("a text message is ignored", session=self._id)
            return
        if isinstance(raw, dict) and isinstance(raw.get("adaptation_state"), dict):
            self._adaptation = raw["adaptation_state"]

    def _hypothesis(self, result: Result) -> dict[str, Any]:
        return {
            "status": SUCCESS,
            "segment": self._segment,
            "result": {"hypotheses": [{"transcript": result.text}], "final": False},
        }

    def _final(self, result: Result) -> dict[str, Any]:
        best: dict[str, Any] = {"transcript": result.text}
        if result.confidence is not None:
            best["confidence"] = round(result.confidence, 4)
            best["likelihood"] = round(result.confidence, 4)
        start = self._segment_end
        if result.words:
            best["word-alignment"] = [
                {
                    "word": word.text,
                    # The old server counts from the segment's start.
                    "start": round(max(word.start - start, 0.0), 3),
                    "length": round(max(word.end - word.start, 0.0), 3),
                    "confidence": round(word.confidence, 4),
                }
                for word in result.words
            ]
        end = max(result.end, start)
        self._segment_end = end
        return {
            "status": SUCCESS,
            "segment": self._segment,
            "segment-start": round(start, 3),
            "segment-length": round(end - start, 3),
            "total-length": round(end, 3),
            "result": {"hypotheses": [best], "final": True},
        }

    async def _watch_silence(self, session: Session) -> None:
        """Nothing recognised for too long, while a worker is there and audio flows: status 1."""
        limit = self._settings.kaldi_silence_seconds
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(min(limit / 4, 1.0))
            silent = loop.time() - self._last_result
            if self._streaming and not self._eos and silent > limit:
                session.give_up()
                await self._fail(NO_SPEECH, "No speech was recognised for too long")
                return

    def _touch(self) -> None:
        self._last_result = asyncio.get_running_loop().time()

    async def _refuse(self, error: AsrError) -> None:
        status = status_for(error.code)
        transient = status == NOT_AVAILABLE and error.code not in ("unknown_model",)
        await self._fail(status, NO_DECODER if transient else str(error))

    async def _fail(self, status: int, message: str) -> None:
        """A status other than success is always followed by the end of the connection."""
        try:
            await self._close({"status": status, "message": message})
        except ClientGone:
            _log.debug("the client was gone already", session=self._id)

    async def _close(self, event: dict[str, Any]) -> None:
        await self._connection.close(1000, last=json.dumps({**event, "id": self._id}))

    async def _send(self, event: dict[str, Any]) -> None:
        await self._connection.send(json.dumps({**event, "id": self._id}))

    def _request(self, query: dict[str, str]) -> Request:
        return Request(
            protocol="kaldi",
            model=query.get("model") or self._settings.default_model,
            source=caps.parse(query.get("content-type")),
            session=self._id,
            language=query.get("lang", "")[:64],
            client=query.get("user-id", "none")[:64],
        )


def status_for(code: str) -> int:
    """The old server's status for one of our error codes."""
    return _STATUS.get(code, NOT_ALLOWED)


def _query(text: str) -> dict[str, str]:
    """The parameters, each pair split at its first ``=``: dictate.js sends its caps un-encoded."""
    pairs = (part.partition("=") for part in text.split("&") if part)
    return {unquote_plus(name): unquote_plus(value) for name, _, value in pairs}
