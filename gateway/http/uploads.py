"""Uploads: received to disk within limits, kept until their job is over.

A file is called after its job. So whoever finds one knows whether it is still needed, and a
gateway that dies at any line leaves nothing that another cannot judge (:mod:`gateway.http.sweep`).
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

from asr_tasks import log
from asr_tasks.contracts import names
from asr_tasks.contracts.errors import BackendDown, MessageTooBig, Overloaded
from gateway.http.places import Folder, Place, place_of
from gateway.metrics import Metrics
from gateway.settings import GatewaySettings

PART: Final = ".part"
"""End of the name of a file that is not whole yet."""
_WRITE_BYTES: Final = 1 << 20
_THREADS: Final = 4
_EXTENSION: Final = re.compile(r"\.[a-z0-9]{1,8}")

T = TypeVar("T")

_log = log.get(__name__)


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that was received whole.

    Attributes:
        path: where it lies, in the local folder.
        name: what its sender calls it, without folders.
        size: bytes.
    """

    path: Path
    name: str
    size: int


class Uploads:
    """One per gateway."""

    def __init__(self, settings: GatewaySettings, metrics: Metrics) -> None:
        """Raises:
        OSError, ValueError, ImportError: nothing can be kept where the settings say.
        """
        # One for each Redis: who sweeps it must know all jobs whose uploads lie there.
        parts = urlsplit(settings.redis_url)
        redis = f"{parts.hostname}:{parts.port}{parts.path}".encode()
        name = f"asr-uploads-{hashlib.sha256(redis).hexdigest()[:8]}"
        default = Path(tempfile.gettempdir()) / name
        self.folder: Folder
        self.place: Place
        self.folder, self.place = place_of(settings.uploads, default)
        self.folder.prepare()
        self._settings = settings
        self._metrics = metrics
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="upload")
        self._running = 0

    @contextmanager
    def room(self, length: int | None) -> Iterator[None]:
        """A place among the uploads that may run at once.

        Args:
            length: bytes of the request's body, if it says so.

        Raises:
            MessageTooBig: it says that it is too large.
            Overloaded: there are as many as may be.
        """
        self.check_length(length)
        if self._running >= self._settings.max_uploads:
            raise Overloaded("this gateway receives as many uploads as it may; try again shortly")
        self._running += 1
        self._metrics.uploads.set(self._running)
        try:
            yield
        finally:
            self._running -= 1
            self._metrics.uploads.set(self._running)

    def check_length(self, length: int | None) -> None:
        """Raises:
        MessageTooBig: a body of so many bytes cannot hold an upload within the limit.
        """
        if length is not None and length > self._settings.max_upload_bytes + _WRITE_BYTES:
            raise self._too_big()

    async def receive(self, chunks: AsyncIterator[bytes], name: str) -> Upload:
        """Write what comes to a file; on any error it is deleted.

        Raises:
            MessageTooBig: more than the limit.
            Overloaded: the disk is full or does not take it.
        """
        own = f"{names.new_session_id()}{PART}"
        path = self.folder.path / own
        file: Any = None
        size = 0
        try:
            file = await self.in_thread(lambda: path.open("xb"))
            held = bytearray()
            async for chunk in chunks:
                size += len(chunk)
                if size > self._settings.max_upload_bytes:
                    raise self._too_big()
                held += chunk
                if len(held) >= _WRITE_BYTES:
                    await self.in_thread(file.write, bytes(held))
                    held.clear()
            await self.in_thread(_finish, file, bytes(held))
        except BaseException as error:
            if file is not None:
                await self._quietly(file.close)
            await self._quietly(self.folder.remove, own)
            if isinstance(error, OSError) and not isinstance(
                error, (ConnectionError, TimeoutError)
            ):
                _log.error("an upload cannot be written", reason=str(error))
                raise Overloaded("this gateway has no room for uploads now") from error
            raise
        self._metrics.upload_bytes.inc(size)
        return Upload(path, Path(name.replace("\\", "/")).name[:200] or "upload", size)

    async def keep(self, upload: Upload, job: str) -> str:
        """Put it where batch workers read it, under its job's name.

        Returns:
            Its URI.

        Raises:
            BackendDown: the place does not take it.
        """
        name = f"{job}{_extension(upload.name)}"
        try:
            await self.in_thread(self.place.put, upload.path, name)
        except Exception as error:
            _log.error("an upload cannot be kept", uri=self.place.uri(name), reason=str(error))
            raise BackendDown("the place where uploads lie does not answer") from error
        return self.place.uri(name)

    async def drop(self, upload: Upload, job: str = "") -> None:
        """Delete it; what cannot be deleted now is found by the sweep."""
        await self._quietly(self.folder.remove, upload.path.name)
        if job:
            await self._quietly(self.place.remove, f"{job}{_extension(upload.name)}")

    async def in_thread(self, work: Callable[..., T], *arguments: Any) -> T:
        """Run blocking work; a cancelled caller does not leave it running unseen."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, work, *arguments)

    def close(self) -> None:
        """Stop the threads."""
        self._threads.shutdown(wait=True, cancel_futures=True)

    async def _quietly(self, work: Callable[..., object], *arguments: Any) -> None:
        try:
            # Shielded: a request that is cancelled still takes its file with it.
            await asyncio.shield(self.in_thread(work, *arguments))
        except Exception as error:
            _log.warning("an upload is left for the sweep", reason=str(error))

    def _too_big(self) -> MessageTooBig:
        limit = self._settings.max_upload_bytes
        return MessageTooBig(
            f"the upload is larger than {limit >> 20} MB ({limit} bytes), the limit of this "
            "gateway; give longer recordings to POST /v1/jobs by their URI"
        )


def job_of(name: str) -> str:
    """The job that a file in the place belongs to; empty if it is not one of ours."""
    job = name.split(".", 1)[0]
    return job if names.is_session_id(job) else ""


def _finish(file: Any, rest: bytes) -> None:
    file.write(rest)
    file.close()


def _extension(name: str) -> str:
    extension = Path(name).suffix.lower()
    return extension if _EXTENSION.fullmatch(extension) and extension != PART else ""
