"""Write a transcript where it was asked for: whole or not at all."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

import fsspec

from asr_tasks.media import uri as uris
from asr_tasks.media.sources import failures


def write(uri: str, text: str) -> None:
    """Write UTF-8 text; who reads meanwhile sees the old file or the new one.

    Raises:
        BadParameter: not an address that can be written to.
        BadSource: the folder is not there, or must not be written to.
        SourceUnavailable: it cannot be reached just now.
    """
    scheme = uris.check(uri, uris.WRITABLE)
    with failures(uri):
        if scheme == "s3":
            filesystem, path = fsspec.core.url_to_fs(uri)
            filesystem.pipe_file(path, text.encode())
            return
        _replace(Path(uri.partition("://")[2] if scheme else uri), text)


def _replace(path: Path, text: str) -> None:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(name, 0o666 & ~umask)  # mkstemp's own is for the owner alone
        os.replace(name, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)
        raise
