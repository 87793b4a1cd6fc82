"""The query that opens a native stream: its parameters, read and checked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from aiohttp import web

from asr_tasks.contracts.errors import BadParameter
from gateway.audio import source as formats
from gateway.registry import Request
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


def read(request: web.Request) -> dict[str, str]:
    """The parameters by name, their values unchecked.

    Raises:
        BadParameter: an unknown one, or one given twice.
    """
    query = request.query
    for name in query:
        if name not in PARAMETERS:
            raise BadParameter(f"there is no parameter {name[:_NAME_LENGTH]!r}")
        if len(query.getall(name)) > 1:
            raise BadParameter(f"{name} is given twice")
    return dict(query)


def partials(query: Mapping[str, str]) -> bool:
    """Whether the client wants partial results.

    Raises:
        BadParameter: neither yes nor no.
    """
    match query.get("partials", ""):
        case "" | "true" | "1":
            return True
        case "false" | "0":
            return False
        case other:
            raise BadParameter(f"partials must be true or false, not {other!r}")


def resumes(query: Mapping[str, str]) -> bool:
    """Whether the client comes back to a session, rather than wants a new one."""
    return "token" in query


def resumed_session(query: Mapping[str, str]) -> tuple[str, str, int]:
    """The session that the client comes back to, its token and the last final that it has.

    Raises:
        BadParameter: one of them is missing or malformed.
    """
    if "session" not in query:
        raise BadParameter("a token needs the session that it belongs to")
    last = formats.number("last_segment", query.get("last_segment"), -1)
    if last < -1:
        raise BadParameter("last_segment must be -1 or more")
    return query["session"], query["token"], last


def new_session(query: Mapping[str, str], settings: GatewaySettings) -> Request:
    """What the client wants of a new session.

    Raises:
        BadParameter: one is missing, malformed or beyond the gateway's limits.
    """
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
            query, "resume_window", settings.resume_seconds, settings.max_resume_seconds
        ),
    )


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
