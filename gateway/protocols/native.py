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
    BadParameter,
    MessageTooBig,
    status_of,
)
from asr_tasks.contracts.results import Result
from gateway.audio import source as formats
from gateway.audio.raw import resume_byte
from gateway.connection import Connection, text_of
from gateway.events import (
    Accepted,
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
from gateway.registry import Opened, Registry, Request
from gateway.session import ClientGone, Session
from gateway.sessions_store import Outcome
from gateway.settings import GatewaySettings

PARAMETERS: Final = frozenset(
    [
        "model",
        "language",
        "content_type",
        "encoding",
        "rate",
        "channels",
        "partials",
        "client",
        "priority",
        "resume_window",
        "session",
        "token",
        "last_segment",
    ]
)
_NAME_LENGTH: Final = 64
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
            query = _query(request)
            self._partials = _flag(query, "partials", True)
            opened = await self._open(query)
        except AsrError as error:
            await self._refuse(error)
            return self._connection.ws
        if opened is not None:
            await self._talk(opened.session)
        return self._connection.ws

    # gateway.session.Outlet

    async def tell(self, event: Event) -> None:
        """Send an event; a last one closes."""
        match event:
            case PartialResult() if not self._partials:
                return
            case Done():
                await self._connection.send(encode(event))
                await self._connection.close(1000)
            case Failed():
                await self._connection.send(encode(event))
                await self._connection.close(status_of(event.code).websocket, event.code)
            case Moved():
                await self._connection.close(_SERVICE_RESTART, "going away")
            case _:
                await self._connection.send(encode(event))

    async def _open(self, query: Mapping[str, str]) -> Opened | None:
        """Open or resume, and say so; None if the session has ended and all is told."""
        if "token" not in query:
            opened = await self._registry.open(self._request(query), self)
            await self._greet(opened, next_segment=0, resumed=False)
            return opened
        if "session" not in query:
            raise BadParameter("a token needs the session that it belongs to")
        last = formats.number("last_segment", query.get("last_segment"), -1)
        if last < -1:
            raise BadParameter("last_segment must be -1 or more")
        resumed = await self._registry.resume(
            "native", query["session"], query["token"], last, self
        )
        if isinstance(resumed, Outcome):
            await self._tell_outcome(query["session"], query["token"], resumed, last + 1)
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
            "window": self._window(None),
        }
        last: Event = Failed(outcome.code, outcome.message)
        if outcome.state == "done":
            last = Done(len(outcome.segments), outcome.duration, outcome.reason)
        try:
            await self._connection.send(json.dumps(ready))
            for segment in outcome.segments[next_segment:]:
                await self.tell(FinalResult(segment.index, segment.result))
            await self.tell(last)
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

    def _request(self, query: Mapping[str, str]) -> Request:
        if not query.get("model"):
            raise BadParameter("model is missing")
        language, client = query.get("language", ""), query.get("client", "")
        for name, value in (("language", language), ("client", client)):
            if len(value) > _NAME_LENGTH or not (value.isprintable()):
                raise BadParameter(f"{name} must be at most {_NAME_LENGTH} printable characters")
        return Request(
            protocol="native",
            model=query["model"],
            source=formats.parse(
                query.get("content_type"),
                query.get("encoding"),
                query.get("rate"),
                query.get("channels"),
            ),
            session=query.get("session", ""),
            language=language,
            client=client,
            priority=_within(query, "priority", 0, -9, 9),
            resume_seconds=_seconds(
                query,
                "resume_window",
                self._settings.resume_seconds,
                self._settings.max_resume_seconds,
            ),
        )


def encode(event: Event) -> str:
    """An event as a message of the protocol."""
    match event:
        case Accepted(count, seconds):
            return f'{{"type":"accepted","bytes":{count},"seconds":{seconds}}}'
        case StateChanged(state, position):
            raw: dict[str, Any] = {"type": "state", "state": state}
            return json.dumps(raw if position is None else raw | {"position": position})
        case PartialResult(segment, result):
            return json.dumps({"type": "partial", "segment": segment, **_span(result)})
        case FinalResult(segment, result):
            raw = {
                "type": "final",
                "segment": segment,
                **_span(result),
                "words": [asdict(word) for word in result.words],
                "confidence": result.confidence,
            }
            return json.dumps(raw | ({"data": dict(result.data)} if result.data else {}))
        case Notice(code, message):
            return json.dumps({"type": "warning", "code": code, "message": message})
        case GoingAway(reconnect_ms):
            return json.dumps({"type": "going_away", "reconnect_ms": reconnect_ms})
        case Done():
            return json.dumps({"type": "done", **asdict(event)})
        case Failed(code, message):
            return json.dumps(
                {
                    "type": "error",
                    "code": code,
                    "message": message,
                    "retry": status_of(code).websocket in _RETRY,
                }
            )
        case Moved():
            raise ValueError("a move is told by its close code")


def _span(result: Result) -> dict[str, Any]:
    return {"start": round(result.start, 3), "end": round(result.end, 3), "text": result.text}


def _query(request: web.Request) -> dict[str, str]:
    query = request.query
    for name in query:
        if name not in PARAMETERS:
            raise BadParameter(f"there is no parameter {name[:_NAME_LENGTH]!r}")
        if len(query.getall(name)) > 1:
            raise BadParameter(f"{name} is given twice")
    return dict(query)


def _control(text: str) -> dict[str, Any]:
    try:
        raw = json.loads(text)
    except (ValueError, RecursionError):
        raise BadMessage("a text message that is not JSON; audio goes in binary messages") from None
    if not isinstance(raw, dict) or not isinstance(raw.get("type"), str):
        raise BadMessage("a text message must be a JSON object with a type")
    return raw


def _flag(query: Mapping[str, str], name: str, default: bool) -> bool:
    match query.get(name, ""):
        case "":
            return default
        case "true" | "1":
            return True
        case "false" | "0":
            return False
        case other:
            raise BadParameter(f"{name} must be true or false, not {other!r}")


def _within(query: Mapping[str, str], name: str, default: int, low: int, high: int) -> int:
    value = formats.number(name, query.get(name), default)
    if not low <= value <= high:
        raise BadParameter(f"{name} must be {low} to {high}, not {value}")
    return value


def _seconds(query: Mapping[str, str], name: str, default: float, longest: float) -> float:
    text = query.get(name)
    if text is None:
        return min(default, longest)
    try:
        value = float(text)
    except ValueError:
        raise BadParameter(f"{name} must be a number of seconds, not {text!r}") from None
    if not 0 <= value <= longest:
        raise BadParameter(f"{name} must be 0 to {longest:g} seconds")
    return value
