"""Every error over HTTP in OpenAI's form: ``{"error": {"message", "type", "param", "code"}}``."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from aiohttp import web

from asr_tasks import log
from asr_tasks.contracts.errors import (
    AsrError,
    BadParameter,
    Overloaded,
    Unavailable,
    status_of,
)

RETRY_AFTER: Final = "2"
"""Seconds after which to try again where we are only busy."""
GONE: Final = 499
"""Status that nobody reads: the client is gone."""
_TYPES: Final = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}

_log = log.get(__name__)


class BadField(BadParameter):
    """A field of the request is missing, unknown or out of range; says which."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


def described(error: AsrError) -> dict[str, Any]:
    """The error as clients of OpenAI's API read it."""
    return _body(
        str(error),
        error.code,
        status_of(error.code).http,
        error.field if isinstance(error, BadField) else None,
    )


def answer(error: AsrError, headers: Mapping[str, str] = {}) -> web.Response:
    """The error as a response."""
    passing = isinstance(error, (Unavailable, Overloaded))
    said = {
        **headers,
        # Without it the openai package sends a whole recording again after any 409 or 5xx.
        "x-should-retry": "true" if passing else "false",
    }
    if passing:
        said["Retry-After"] = RETRY_AFTER
    if error.code == "not_authorised":
        said["WWW-Authenticate"] = "Bearer"
    return web.json_response(described(error), status=status_of(error.code).http, headers=said)


@web.middleware
async def errors_as_json(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Whatever leaves a handler as an error becomes JSON with its code and HTTP status."""
    try:
        return await handler(request)
    except AsrError as error:
        return answer(error)
    except web.HTTPError as error:
        code = error.reason.lower().replace(" ", "_")
        kept = {
            name: value
            for name, value in error.headers.items()
            if name.lower() not in ("content-type", "content-length")
        }
        body = _body(f"{request.method} {request.path}: {error.reason}", code, error.status)
        return web.json_response(body, status=error.status, headers=kept)
    except ConnectionError:
        _log.debug("the client is gone", method=request.method, path=request.path)
        return web.Response(status=GONE)
    except Exception:
        _log.exception("a request broke", method=request.method, path=request.path)
        return answer(AsrError())


def _body(message: str, code: str, status: int, param: str | None = None) -> dict[str, Any]:
    kind = _TYPES.get(status, "server_error" if status >= 500 else "invalid_request_error")
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}
