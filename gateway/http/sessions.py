"""``GET /v1/sessions/<id>`` and its transcript: how a live session stands, while it lasts in Redis.

Who opened a session has its token; who has a key of the gateway may read every session.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from asr_tasks.contracts import names
from asr_tasks.contracts.audio import seconds
from asr_tasks.contracts.errors import BadSessionId, NotYourSession, SessionEnded
from asr_tasks.contracts.results import Segment
from asr_tasks.contracts.transcript import Transcript, Utterance
from asr_tasks.formats import render
from gateway.http.jobs import format_of, in_format
from gateway.http.keys import Keys, bearer
from gateway.registry import Models
from gateway.session_records import Outcome, digest
from gateway.sessions_store import SessionsStore


@dataclass(frozen=True, slots=True)
class Sessions:
    """The handlers."""

    store: SessionsStore
    models: Models
    keys: Keys

    async def get(self, request: web.Request) -> web.Response:
        """``GET /v1/sessions/{id}``."""
        session = request.match_info["id"]
        match await self._found(request):
            case Outcome() as outcome:
                return web.json_response(
                    {
                        "session": session,
                        "state": outcome.state,
                        "code": outcome.code,
                        "message": outcome.message,
                        "model": outcome.model,
                        "duration": outcome.duration,
                        "reason": outcome.reason,
                        **_said(outcome.segments),
                    }
                )
            case fields, segments:
                return web.json_response(
                    {
                        "session": session,
                        "state": fields["state"],
                        "model": fields["model"],
                        "accepted": seconds(int(fields.get("accepted", 0))),
                        "committed": seconds(int(fields.get("committed", 0))),
                        **_said(segments),
                    }
                )

    async def transcript(self, request: web.Request) -> web.Response:
        """``GET /v1/sessions/{id}/transcript?format=``: what is final so far, or all of it."""
        wanted = format_of(request)
        match await self._found(request):
            case Outcome() as outcome:
                model, language, duration = outcome.model, "", outcome.duration
                segments: Iterable[Segment] = outcome.segments
            case fields, segments:
                model, language = fields["model"], fields.get("language", "")
                duration = seconds(int(fields.get("committed", 0)))
        kept = Transcript(
            model=model,
            language=language or self._language(model),
            duration=duration,
            utterances=tuple(_utterance(part) for part in segments if part.result.text),
        )
        return in_format(render(kept, wanted), wanted)

    async def _found(self, request: web.Request) -> Outcome | tuple[dict[str, str], list[Segment]]:
        """The session, if it is there and the request may see it.

        Raises:
            BadSessionId, NotYourSession, SessionEnded, BackendDown.
        """
        session = request.match_info["id"]
        if not names.is_session_id(session):
            raise BadSessionId
        token = bearer(request)
        if not token:
            raise NotYourSession("the session's token is missing: Authorization: Bearer TOKEN")
        found = await self.store.read(session)
        if found is None:
            raise SessionEnded
        if not self.keys.opens(token) and not _admits(found, token):
            raise NotYourSession
        return found

    def _language(self, model: str) -> str:
        for entry in self.models.describe():
            if entry["name"] == model:
                return str(entry["language"])
        return ""


def _admits(found: Outcome | tuple[dict[str, str], list[Segment]], token: str) -> bool:
    if isinstance(found, Outcome):
        return found.admits(token)
    known = (found[0].get("token", ""), found[0].get("token_prev", ""))
    return any(hmac.compare_digest(one, digest(token)) for one in known if one)


def _said(segments: Iterable[Segment]) -> dict[str, Any]:
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


def _utterance(segment: Segment) -> Utterance:
    result = segment.result
    return Utterance(result.start, result.end, result.text, result.words, result.confidence)
