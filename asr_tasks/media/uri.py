"""Where recordings come from and transcripts go: the URIs that are understood."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import PurePath
from typing import Final
from urllib.parse import urlsplit, urlunsplit

from asr_tasks.contracts.errors import BadParameter

SCHEMES: Final = frozenset({"", "file", "http", "https", "s3"})
"""What a source may be; the empty one is a path of this machine."""

WRITABLE: Final = frozenset({"", "file", "s3"})
"""What a target may be."""

LONGEST: Final = 4096


def check(uri: str, schemes: Collection[str] = SCHEMES) -> str:
    """The scheme of a URI that may be used.

    Args:
        uri: a path, ``file:``, ``http(s):`` or ``s3:``.
        schemes: those that this caller allows.

    Raises:
        BadParameter: another scheme, no host, or not a URI at all.
    """
    if not uri or len(uri) > LONGEST or any(ord(sign) < 32 for sign in uri):
        raise BadParameter("a recording's address must have 1 to 4096 printable characters")
    try:
        parts = urlsplit(uri)
        host = parts.hostname
        _ = parts.port
    except ValueError:
        raise BadParameter("the address of the recording cannot be understood") from None
    scheme = parts.scheme.lower() if "://" in uri or parts.scheme in SCHEMES else ""
    if scheme not in SCHEMES:
        raise BadParameter(f"recordings cannot be had by {scheme}:; use http, https or s3")
    if scheme not in schemes:
        known = ", ".join(sorted(one or "a path" for one in schemes))
        raise BadParameter(f"{scheme or 'a path'} is not allowed here; use one of: {known}")
    if scheme in ("http", "https", "s3") and not host:
        raise BadParameter(f"{scheme}: a host or bucket is missing")
    return scheme


def shown(uri: str) -> str:
    """The URI without what may be a secret: user, password, query."""
    if "://" not in uri:
        return uri
    parts = urlsplit(uri)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, host, parts.path, "", ""))


def name_of(uri: str) -> str:
    """What people call it: the last part of its path."""
    path = urlsplit(uri).path if "://" in uri else uri
    return PurePath(path).name or uri
