"""Values of forms, queries and JSON bodies, checked one at a time."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Final
from urllib.parse import urlsplit

from gateway.http.errors import BadField
from gateway.http.form import Fields

NAME_LENGTH: Final = 200
URI_LENGTH: Final = 4096
_CHAIN: Final = re.compile(r"::[a-z0-9]+:")
"""fsspec would open ``https://…::file://…`` as a file inside another."""


def one(fields: Fields, name: str, default: str = "") -> str:
    """The value of a field that may come once.

    Raises:
        BadField: it comes several times.
    """
    values = fields.get(name, [])
    if len(values) > 1:
        raise BadField(name, f"{name} is given twice")
    return values[0] if values else default


def choice(name: str, value: str, allowed: Collection[str]) -> str:
    """A value that is one of several.

    Raises:
        BadField: it is none of them.
    """
    if value not in allowed:
        raise BadField(name, f"{name} must be one of {', '.join(allowed)}, not {value[:40]!r}")
    return value


def text(name: str, value: str, longest: int = NAME_LENGTH) -> str:
    """A line of text.

    Raises:
        BadField: too long, or with characters that no line has.
    """
    if len(value) > longest or not value.isprintable():
        raise BadField(name, f"{name} must be at most {longest} printable characters")
    return value


def truth(name: str, value: str) -> bool:
    """Yes or no.

    Raises:
        BadField: neither.
    """
    return choice(name, value.lower() or "false", ("true", "false", "1", "0")) in ("true", "1")


def number(name: str, value: str, low: float, high: float) -> float:
    """A number within bounds.

    Raises:
        BadField: not one.
    """
    try:
        found = float(value)
    except ValueError:
        raise BadField(name, f"{name} must be a number, not {value[:40]!r}") from None
    if not low <= found <= high:
        raise BadField(name, f"{name} must be {low:g} to {high:g}")
    return found


def whole(name: str, value: str, low: int, high: int) -> int:
    """A whole number within bounds.

    Raises:
        BadField: not one.
    """
    if not (value.isascii() and value.isdecimal()) or not low <= int(value[:20]) <= high:
        raise BadField(name, f"{name} must be a whole number from {low} to {high}")
    return int(value)


def uri(name: str, value: str, schemes: Collection[str]) -> str:
    """A URI with one of the schemes; a path without a scheme counts as ``file``.

    Raises:
        BadField: not one, or another scheme.
    """
    text(name, value, URI_LENGTH)
    if _CHAIN.search(value):
        raise BadField(name, f"{name} must be one URI, not one inside another")
    try:
        parts = urlsplit(value)
        _ = parts.port
    except ValueError:
        raise BadField(name, f"{name} is not a URI") from None
    scheme = parts.scheme.lower() or "file"
    if scheme not in schemes:
        listed = ", ".join(f"{one}:" for one in schemes) or "none here"
        raise BadField(name, f"{name} must be a URI that begins with one of: {listed}")
    if scheme != "file" and not parts.hostname:
        raise BadField(name, f"{name} names no host")
    return value


def schemes(setting: str) -> tuple[str, ...]:
    """A list of schemes in the settings."""
    return tuple(part.strip().lower() for part in setting.split(",") if part.strip())
