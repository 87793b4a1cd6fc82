"""``GET /v1/stream``: the product's own protocol, resumable. Its specification is
``docs/protocol.md``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Final

from aiohttp import WSMsgType, web

from asr_tasks import log
from asr_tasks.contracts.errors import (
    AsrError,
    BadMessage,
    MessageTooBig,
    status_of,
)
from asr_tasks.contracts.results import Result
from gateway.audio.raw import resume_byte
from gateway.connection import Connection, text_of
from gateway.events import (
    Accepted,
    Alive,
    Done,
    Event,
    Failed,
    FinalResult,
    GoingAway,
    Moved,
    Notice,
    PartialResult,
    StateChanged,
)
from gateway.outlet import ClientGone
from gateway.protocols import native_opening as opening
from gateway.registry import Opened, Registry
from gateway.session import Session
from gateway.session_records import Outcome
from gateway.settings import GatewaySettings

_RETRY: Final = frozenset({1001, 1006, 1011, 1012, 1013})
_SERVICE_RESTART: Final = 1012

_log = log.get(__name__)


def add_routes(app: web.Application, registry: Registry, settings: GatewaySettings) -> None:
    """Serve the protocol."""

    async def stream(request: web.Request) -> web.StreamResponse:
        if request.headers.get("Upgrade", "").lower() != "websocket":
            return web.json_response(
                {"error": {"code": "bad_request", "message": "This is a WebSocket."}}, status=426
            )
        return await _Client(registry, settings).serve(request)

    app.router.add_get("/v1/stream", stream)


class _Client:
    """One connection of one client."""

    def __init__(self, registry: Registry, settings: GatewaySettings) -> None:
        self._registry = registry
        self._settings = settings
        self._connection = Connection(settings)
        self._partials = True

    async def serve(self, request: web.Request) -> web.StreamResponse:
        await self._connection.open(request)
        try:
            query = opening.read(request)
            self._partials = opening.partials(query)
            opened = await self._open(query)
        except AsrError as error:
            await self._refuse(error)
            return self._connection.ws
        if opened is not None:
            await self._talk(opened.session)
        return self._connection.ws

    # gateway.outlet.Outlet

    async def tell(self, event: Event) -> None:
        """Send an event; a last one closes."""
        match event:
            case PartialResult() if not self._partials:
                return
            case Done():
                await self._connection.close(1000, last=encode(event))
            case Failed():
                await self._fail(event, retry=status_of(event.code).websocket in _RETRY)
            case Moved():
                await self._connection.close(_SERVICE_RESTART, "going away")
            case _:
                await self._connection.send(encode(event))

    async def _fail(self, event: Failed, *, retry: bool) -> None:
        code = status_of(event.code).websocket
        await self._connection.close(code, event.code, last=_error(event, retry=retry))

    async def _open(self, query: Mapping[str, str]) -> Opened | None:
        """Open or resume, and say so; None if the session has ended and all is told."""
        if not opening.resumes(query):
            opened = await self._registry.open(opening.new_session(query, self._settings), self)
            await self._greet(opened, next_segment=0, resumed=False)
            return opened
        session, token, last = opening.resumed_session(query)
        resumed = await self._registry.resume("native", session, token, last, self)
        if isinstance(resumed, Outcome):
            await self._tell_outcome(session, token, resumed, last + 1)
            return None
        await self._greet(resumed, next_segment=last + 1, resumed=True)
        return resumed

    async def _greet(self, opened: Opened, *, next_segment: int, resumed: bool) -> None:
        session = opened.session
        try:
            await self._connection.send(
                json.dumps(
                    {
                        "type": "ready",
                        "session": session.id,
                        "token": opened.token,
                        "resume_from": resume_byte(opened.source, opened.accepted),
                        "next_segment": next_segment,
                        "model": session.model,
                        "resumed": resumed,
                        "ended": opened.ended,
                        "over": False,
                        "window": self._window(session),
                    }
                )
            )
        except ClientGone:
            session.detach()
        else:
            session.greeted()

    def _window(self, session: Session | None) -> dict[str, float]:
        return {
            "alive_seconds": self._settings.alive_seconds,
            "message_bytes": self._settings.max_message_bytes,
            "uncommitted_seconds": self._settings.uncommitted_seconds,
            "resume_seconds": session.resume_seconds if session else 0,
            "session_seconds": self._settings.session_seconds,
        }

    async def _tell_outcome(
        self, session: str, token: str, outcome: Outcome, next_segment: int
    ) -> None:
        """A session that has ended: what the client misses, then the end."""
        ready = {
            "type": "ready",
            "session": session,
            "token": token,
            "resume_from": 0,
            "next_segment": next_segment,
            "model": outcome.model,
            "resumed": True,
            "ended": True,
            "over": True,
            "window": self._window(None),
        }
        try:
            await self._connection.send(json.dumps(ready))
            for segment in outcome.segments[next_segment:]:
                await self.tell(FinalResult(segment.index, segment.result))
            if outcome.state == "done":
                await self.tell(Done(len(outcome.segments), outcome.duration, outcome.reason))
            else:  # what is stored stays as it is, however often it is asked for
                await self._fail(Failed(outcome.code, outcome.message), retry=False)
        except ClientGone:
            _log.debug("the client of an ended session went", session=session)

    async def _talk(self, session: Session) -> None:
        try:
            await self._read(session)
            if self._connection.too_big:
                raise MessageTooBig
        except AsrError as error:
            session.give_up()
            await self._refuse(error)
        except Exception:
            _log.exception("reading from a client broke", session=session.id)
            session.give_up()
            await self._refuse(AsrError())
        finally:
            session.detach()

    async def _read(self, session: Session) -> None:
        while (message := await self._connection.receive()) is not None:
            if message.type is WSMsgType.BINARY:
                if len(message.data) > self._settings.max_message_bytes:
                    raise MessageTooBig
                await session.feed(message.data)
                continue
            control = _control(text_of(message))
            match control["type"]:
                case "end":
                    await session.end()
                case "cancel":
                    await session.cancel()
                case "ping":
                    try:
                        await self._connection.send(json.dumps({**control, "type": "pong"}))
                    except ClientGone:
                        return
                case other:
                    raise BadMessage(f"no message of this protocol has the type {other!r}")

    async def _refuse(self, error: AsrError) -> None:
        self._registry.count_error(error)
        _log.info("client refused", code=error.code, reason=str(error))
        try:
            await self.tell(Failed(error.code, str(error)))
        except ClientGone:
            _log.debug("the refused client was gone already")


def encode(event: Event) -> str:
    """An event as a message of the protocol."""
    match event:
        case Accepted(count, seconds):
            return f'{{"type":"accepted","bytes":{count},"seconds":{seconds}}}'
        case StateChanged(state, position):
            raw: dict[str, Any] = {"type": "state", "state": state}
            return json.dumps(raw if position is None else raw | {"position": position})
        case PartialResult(segment, result):
            return json.dumps(
                {"type": "partial", "segment": segment, **_span(result), **_data(result)}
            )
        case FinalResult(segment, result):
            raw = {
                "type": "final",
                "segment": segment,
                **_span(result),
                "words": [asdict(word) for word in result.words],
                "confidence": result.confidence,
            }
            return json.dumps(raw | _data(result))
        case Notice(code, message):
            return json.dumps({"type": "warning", "code": code, "message": message})
        case Alive():
            return '{"type": "alive"}'
        case GoingAway(reconnect_ms):
            return json.dumps({"type": "going_away", "reconnect_ms": reconnect_ms})
        case Done():
            return json.dumps({"type": "done", **asdict(event)})
        case Failed(code):
            return _error(event, retry=status_of(code).websocket in _RETRY)
        case Moved():
            raise ValueError("a move is told by its close code")


def _error(event: Failed, *, retry: bool) -> str:
    return json.dumps(
        {"type": "error", "code": event.code, "message": event.message, "retry": retry}
    )


def _span(result: Result) -> dict[str, Any]:
    return {"start": round(result.start, 3), "end": round(result.end, 3), "text": result.text}


def _data(result: Result) -> dict[str, Any]:
    return {"data": dict(result.data)} if result.data else {}


def _control(text: str) -> dict[str, Any]:
    try:
        raw = json.loads(text)
    except (ValueError, RecursionError):
        raise BadMessage("a text message that is not JSON; audio goes in binary messages") from None
    if not isinstance(raw, dict) or not isinstance(raw.get("type"), str):
        raise BadMessage("a text message must be a JSON object with a type")
    return raw
