"""The little there is over plain HTTP: which models there are, how a session stands."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from aiohttp import web

from asr_tasks.contracts import names
from asr_tasks.contracts.errors import (
    AsrError,
    BadSessionId,
    NotYourSession,
    SessionEnded,
    status_of,
)
from asr_tasks.contracts.results import Segment
from gateway.registry import Models
from gateway.services import Services
from gateway.session_records import Outcome, digest


def add_routes(app: web.Application, services: Services, catalogue: Models) -> None:
    """Serve ``/v1/models`` and ``/v1/sessions/<id>``."""

    async def models(_: web.Request) -> web.Response:
        return web.json_response(
            {"models": catalogue.describe(), "default": services.settings.default_model}
        )

    async def session(request: web.Request) -> web.Response:
        return web.json_response(await _session(services, request))

    app.router.add_get("/v1/models", models)
    app.router.add_get("/v1/sessions/{id}", session)


@web.middleware
async def errors_as_json(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """An AsrError that leaves a handler becomes JSON with its code and HTTP status."""
    try:
        return await handler(request)
    except AsrError as error:
        body = {"error": {"code": error.code, "message": str(error)}}
        return web.json_response(body, status=status_of(error.code).http)


async def _session(services: Services, request: web.Request) -> dict[str, Any]:
    session = request.match_info["id"]
    if not names.is_session_id(session):
        raise BadSessionId
    kind, _, token = request.headers.get("Authorization", "").partition(" ")
    if kind.lower() != "bearer" or not token:
        raise NotYourSession("the session's token is missing: Authorization: Bearer TOKEN")
    found = await services.store.read(session)
    if found is None:
        raise SessionEnded
    if isinstance(found, Outcome):
        if not found.admits(token):
            raise NotYourSession
        return {
            "session": session,
            "state": found.state,
            "code": found.code,
            "message": found.message,
            "model": found.model,
            "duration": found.duration,
            "reason": found.reason,
            **_transcript(found.segments),
        }
    fields, segments = found
    known = (fields.get("token", ""), fields.get("token_prev", ""))
    if not any(hmac.compare_digest(one, digest(token)) for one in known if one):
        raise NotYourSession
    return {
        "session": session,
        "state": fields["state"],
        "model": fields["model"],
        "accepted": int(fields.get("accepted", 0)) / 16_000,
        "committed": int(fields.get("committed", 0)) / 16_000,
        **_transcript(segments),
    }


def _transcript(segments: Iterable[Segment]) -> dict[str, Any]:
    listed = list(segments)
    return {
        "text": "\n".join(part.result.text for part in listed if part.result.text),
        "segments": [
            {
                "segment": part.index,
                "start": part.result.start,
                "end": part.result.end,
                "text": part.result.text,
            }
            for part in listed
        ],
    }
