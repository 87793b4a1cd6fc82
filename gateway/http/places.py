"""Where uploads lie until their job is over: a folder, or anything fsspec writes to (s3://…).

Every method blocks; callers run them in threads.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any, Protocol


class Place(Protocol):
    """A flat set of named files."""

    def put(self, file: Path, name: str) -> None:
        """Move a local file there under a name."""
        ...

    def uri(self, name: str) -> str:
        """How a batch worker names it."""
        ...

    def remove(self, name: str) -> None:
        """Delete it; it may be gone already."""
        ...

    def listed(self) -> dict[str, str]:
        """What is there: names, each with a text that changes when the file does."""
        ...


class Folder:
    """A folder of this machine, or one that it shares with the batch workers."""

    def __init__(self, path: Path, *, own: bool = False) -> None:
        """``own``: where everybody may make folders, it has to be this user's."""
        self.path = path.expanduser().absolute()
        self._own = own

    def prepare(self) -> None:
        """Make it, for this user alone: recordings are private.

        Raises:
            OSError: it cannot be made or written to.
        """
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not os.access(self.path, os.W_OK | os.X_OK):
            raise PermissionError(f"{self.path} cannot be written to")
        if self._own and self.path.lstat().st_uid != os.geteuid():
            raise PermissionError(f"{self.path} belongs to somebody else")

    def put(self, file: Path, name: str) -> None:
        if file.parent == self.path:
            file.replace(self.path / name)
        else:
            part = self.path / f"{name}.part"
            shutil.move(file, part)
            part.replace(self.path / name)

    def uri(self, name: str) -> str:
        return str(self.path / name)

    def remove(self, name: str) -> None:
        (self.path / name).unlink(missing_ok=True)

    def listed(self) -> dict[str, str]:
        found = {}
        with os.scandir(self.path) as entries:
            for entry in entries:
                try:
                    stat = entry.stat(follow_symlinks=False)
                except FileNotFoundError:  # deleted meanwhile
                    continue
                found[entry.name] = f"{stat.st_size} {stat.st_mtime_ns}"
        return found


class Bucket:
    """A place that fsspec knows, shared by all gateways and batch workers."""

    def __init__(self, uri: str) -> None:
        import fsspec  # only where it is used: it is of no use to a folder

        self._base = uri.rstrip("/")
        self._fs: Any
        self._fs, self._root = fsspec.core.url_to_fs(self._base)

    def put(self, file: Path, name: str) -> None:
        self._fs.put_file(str(file), f"{self._root}/{name}")
        file.unlink()

    def uri(self, name: str) -> str:
        return f"{self._base}/{name}"

    def remove(self, name: str) -> None:
        if self._fs.exists(f"{self._root}/{name}"):
            self._fs.rm_file(f"{self._root}/{name}")

    def listed(self) -> dict[str, str]:
        self._fs.invalidate_cache()
        if not self._fs.exists(self._root):
            return {}
        return {
            str(entry["name"]).rsplit("/", 1)[
                -1
            ]: f"{entry.get('size')} {self._fs.ukey(entry['name'])}"
            for entry in self._fs.ls(self._root, detail=True)
            if entry["type"] == "file"
        }


def place_of(setting: str, default: Path) -> tuple[Folder, Place]:
    """The local folder that uploads are received in, and the place where they then lie.

    Raises:
        ValueError: a scheme that fsspec does not know.
        ImportError: fsspec, or what it needs for the scheme, is not installed.
    """
    if "://" in setting and not setting.startswith("file://"):
        return Folder(default, own=True), Bucket(setting)
    if not setting:
        folder = Folder(default, own=True)
        return folder, folder
    folder = Folder(Path(setting.removeprefix("file://")))
    return folder, folder
