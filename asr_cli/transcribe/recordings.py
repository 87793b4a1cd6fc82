"""From what the user named to recordings: files, folders, addresses; what each is known by."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Final

from asr_tasks.contracts.errors import BadSource
from asr_tasks.contracts.jobs import JobRequest
from asr_tasks.media import uri

KINDS: Final = frozenset(
    (
        ".3gp", ".aac", ".aif", ".aiff", ".amr", ".au", ".caf", ".flac", ".m4a", ".m4b", ".mka",
        ".mkv", ".mov", ".mp2", ".mp3", ".mp4", ".oga", ".ogg", ".opus", ".wav", ".webm", ".wma",
        ".wmv",
    )
)  # fmt: skip
"""Of a folder only files that end so are taken; a file that is named is taken whatever it is."""

_NAMESPACE: Final = uuid.UUID("6d0b1b0a-0d53-5d0c-8a5e-7a2f6f1c9d11")


@dataclass(frozen=True, slots=True)
class Recording:
    """One recording.

    Attributes:
        source: absolute path, or an address.
        name: for people: its path as it was named, or the last part of its address.
        stem: what its outputs are called, without their ending; may have folders.
        local: whether it is a file of this machine.
    """

    source: str
    name: str
    stem: str
    local: bool

    @property
    def short(self) -> str:
        """The last part of its name."""
        return PurePath(self.name).name

    @property
    def folder(self) -> Path:
        """Where it lies; of an address, the present folder."""
        return Path(self.source).parent if self.local else Path()

    def identity(self) -> str:
        """Changes when the recording does, as far as can be seen without reading it."""
        if not self.local:
            return self.source
        found = os.stat(self.source)
        return f"{self.source}|{found.st_size}|{found.st_mtime_ns}"


def found(names: Iterable[str], *, recursive: bool) -> list[Recording]:
    """All recordings that are meant, each once, in order.

    Args:
        names: paths of files and folders, ``http(s):`` and ``s3:`` addresses.
        recursive: folders within folders, too.

    Raises:
        BadParameter: an address that is not understood.
        BadSource: there is no such file, or the folder holds no recording.
    """
    by_source: dict[str, Recording] = {}
    for name in names:
        for recording in _meant(name, recursive=recursive):
            by_source.setdefault(recording.source, recording)
    return list(by_source.values())


def job_id(recording: Recording, request: JobRequest) -> str:
    """The same for the same recording, model and channels: the work is one, however often asked.

    Args:
        recording: its identity counts.
        request: of it, with the model's name filled in.
    """
    asked = (request.model, request.language, request.channels)
    return str(uuid.uuid5(_NAMESPACE, "|".join((recording.identity(), *asked))))


def _meant(name: str, *, recursive: bool) -> Iterator[Recording]:
    scheme = uri.check(name)
    if scheme not in ("", "file"):
        last = uri.name_of(name)
        yield Recording(name, last, Path(last).stem, local=False)
        return
    path = Path(name if scheme == "" else name.partition("://")[2])
    if path.is_file():
        yield Recording(str(path.resolve()), str(path), path.stem, local=True)
        return
    if not path.is_dir():
        raise BadSource(f"there is no file or folder {name}")
    inside = sorted(path.rglob("*") if recursive else path.iterdir())
    recordings = [one for one in inside if one.suffix.lower() in KINDS and one.is_file()]
    if not recordings:
        deeper = "" if recursive else "; folders within it are looked into with --recursive"
        raise BadSource(f"the folder {name} holds no recording{deeper}")
    for one in recordings:
        stem = str(one.relative_to(path).with_suffix(""))
        yield Recording(str(one.resolve()), str(one), stem, local=True)
