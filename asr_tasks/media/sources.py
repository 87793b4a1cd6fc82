"""Open a recording for reading, wherever it lies, so that it can be sought in."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from typing import IO, Any, Final

import fsspec

from asr_tasks.contracts.errors import BadSource, SourceUnavailable
from asr_tasks.media import uri as uris

BLOCK_BYTES: Final = 1 << 20
"""Read ahead and kept of a remote recording; a few of these at a time."""

SPOOL_BYTES: Final = 64 << 30
"""Largest recording that is copied here because its server cannot seek."""


_FINAL: Final = frozenset({400, 401, 403, 404, 405, 410, 451})
"""What a web server answers that it will answer again."""


@contextlib.contextmanager
def opened(uri: str) -> Iterator[IO[bytes]]:
    """The recording's bytes, seekable, for as long as the block lasts.

    Raises:
        BadParameter: not an address that is understood.
        BadSource: it is not there, or must not be read.
        SourceUnavailable: it cannot be reached just now.
    """
    scheme = uris.check(uri)
    with failures(uri), contextlib.ExitStack() as stack:
        yield stack.enter_context(_seekable(uri, scheme))


@contextlib.contextmanager
def failures(uri: str) -> Iterator[None]:
    """Turn what goes wrong with a place into what to do about it.

    Raises:
        BadSource, SourceUnavailable: see :func:`opened`.
    """
    try:
        yield
    except (IsADirectoryError, NotADirectoryError) as error:
        raise BadSource(f"there is no file {uris.shown(uri)}") from error
    except PermissionError as error:
        raise BadSource(f"{uris.shown(uri)} may not be read or written") from error
    except Exception as error:
        # fsspec says "not found" of a web server that does not answer, too; the cause tells.
        cause = error.__cause__ if isinstance(error, FileNotFoundError) else error
        status = getattr(cause, "status", 0)
        if status in _FINAL:
            raise BadSource(f"{uris.shown(uri)} answers with status {status}") from error
        if cause is None or (isinstance(error, FileNotFoundError) and _of_s3(cause)):
            raise BadSource(f"there is no file {uris.shown(uri)}") from error
        if not isinstance(cause, OSError) and not _of_network(cause):
            raise
        # Not what an HTTP client says of a status: that has the whole address, perhaps with a key.
        said = f"status {status}" if status else _short(cause)
        raise SourceUnavailable(f"{uris.shown(uri)}: {said}") from error


def _seekable(uri: str, scheme: str) -> contextlib.AbstractContextManager[IO[bytes]]:
    if scheme in ("", "file"):
        path = uri if scheme == "" else uri.partition("://")[2] or uri.partition(":")[2]
        return open(path, "rb")
    filesystem, path = fsspec.core.url_to_fs(uri)
    remote: IO[bytes] = filesystem.open(path, "rb", block_size=BLOCK_BYTES, cache_type="readahead")
    if scheme in ("http", "https") and not _seeks(remote):
        remote.close()
        return _spooled(filesystem, path)
    return remote


def _seeks(remote: IO[bytes]) -> bool:
    """Whether a web server sends parts of the file; most that do tell it only when they do."""
    try:
        remote.seek(1)
        remote.read(1)
        remote.seek(0)
    except ValueError:  # fsspec's word for it, also where the length is not known
        return False
    return True


@contextlib.contextmanager
def _spooled(filesystem: Any, path: str) -> Iterator[IO[bytes]]:
    """A copy in a temporary file: its server sends it from the start or not at all."""
    with tempfile.TemporaryFile(prefix="asr-recording-") as copy:
        # block_size 0: a plain stream, whatever length the server says it has.
        with filesystem.open(path, "rb", block_size=0) as remote:
            shutil.copyfileobj(remote, copy, BLOCK_BYTES)
        copy.seek(0)
        yield copy


def _of_s3(error: BaseException) -> bool:
    return type(error).__module__.partition(".")[0] in ("botocore", "aiobotocore")


def _of_network(error: BaseException) -> bool:
    return type(error).__module__.partition(".")[0] in ("aiohttp", "botocore", "aiobotocore")


def _short(error: BaseException) -> str:
    text = str(error).split("\n", 1)[0][:160]
    return text or type(error).__name__
