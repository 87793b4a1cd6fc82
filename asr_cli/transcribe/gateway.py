"""The jobs behind a gateway, over HTTP (docs/http.md): recordings of this machine are uploaded."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import aiohttp

from asr_tasks.contracts.errors import BackendDown, NoTranscript, UnknownJob, error_for
from asr_tasks.contracts.jobs import Job, JobRequest, JobState
from asr_tasks.contracts.transcript import Transcript

CONNECT_SECONDS: Final = 10.0
SILENT_SECONDS: Final = 60.0
"""Without a byte for so long the gateway counts as gone. An upload may take as long as it does."""

PAGE: Final = 200
"""Most jobs that the gateway lists at a time."""

_ASKED: Final = ("model", "language", "channels", "name")


@asynccontextmanager
async def connected(url: str, key: str = "") -> AsyncIterator[GatewayJobs]:
    """The jobs of a gateway.

    Args:
        url: ``http(s)://HOST:PORT``.
        key: that it wants to see; empty: none.
    """
    timeout = aiohttp.ClientTimeout(
        total=None, sock_connect=CONNECT_SECONDS, sock_read=SILENT_SECONDS
    )
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    async with aiohttp.ClientSession(timeout=timeout, headers=headers) as http:
        yield GatewayJobs(http, url.rstrip("/") + "/v1/jobs")


class GatewayJobs:
    """Implements :class:`asr_tasks.contracts.jobs.Jobs`. Belongs to one asyncio loop.

    The gateway tells no part of a transcript before all of it is known.
    """

    def __init__(self, http: aiohttp.ClientSession, url: str) -> None:
        self._http = http
        self._url = url

    async def create(self, request: JobRequest, job: str = "") -> Job:
        if job and (known := await self.get(job)) is not None:
            return known  # the recording is there already, or was
        fields = {name: getattr(request, name) for name in _ASKED} | {"id": job}
        fields = {name: value for name, value in fields.items() if value}
        if "://" in request.source:
            fields["source"] = request.source
            return _job(await self._ask("POST", "", json=fields))
        return _job(await self._upload(Path(request.source), fields))

    async def get(self, job: str) -> Job | None:
        return await self._there("GET", f"/{job}")

    async def recent(
        self, limit: int = 50, state: JobState | None = None, after: str = ""
    ) -> Sequence[Job]:
        found: list[Job] = []
        while len(found) < limit:
            query = {"limit": str(min(PAGE, limit - len(found)))}
            query |= {"state": state.value} if state else {}
            query |= {"after": after} if after else {}
            page = await self._ask("GET", "", params=query)
            found += [_job(one) for one in page["data"]]
            if not page["has_more"]:
                break
            after = page["last_id"]
        return found

    async def cancel(self, job: str) -> Job | None:
        return await self._there("POST", f"/{job}/cancel")

    async def retry(self, job: str) -> Job | None:
        return await self._there("POST", f"/{job}/retry")

    async def transcript(self, job: str) -> Transcript | None:
        try:
            text = await self._ask("GET", f"/{job}/transcript", params={"format": "json"}, raw=True)
        except (UnknownJob, NoTranscript):
            return None
        return Transcript.from_json(text)

    async def so_far(self, job: str) -> Transcript | None:
        return await self.transcript(job)

    async def close(self) -> None:
        """Nothing: the HTTP session is its owner's."""

    async def _upload(self, path: Path, fields: Mapping[str, str]) -> Any:
        file = await asyncio.to_thread(path.open, "rb")
        with file:
            form = aiohttp.FormData()
            # The file last: what is wrong with the rest is told before it is sent.
            for name, value in fields.items():
                form.add_field(name, value)
            form.add_field("file", file, filename=path.name)
            return await self._ask("POST", "", data=form)

    async def _there(self, method: str, path: str) -> Job | None:
        try:
            return _job(await self._ask(method, path))
        except UnknownJob:
            return None

    async def _ask(self, method: str, path: str, *, raw: bool = False, **more: Any) -> Any:
        """The answer's JSON, or its text.

        Raises:
            AsrError: the gateway's own word.
            BackendDown: it does not answer, or not as a gateway does.
        """
        try:
            async with self._http.request(method, self._url + path, **more) as response:
                if response.ok:
                    return await (response.text() if raw else response.json())
                said = await response.json()
                raise error_for(said["error"]["code"], said["error"]["message"])
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise BackendDown(f"no gateway answers at {self._url}: {_reason(error)}") from error
        except (ValueError, KeyError, TypeError) as error:
            raise BackendDown(
                f"{self._url} does not answer as a gateway does: {error!r}"
            ) from error


def _job(raw: Mapping[str, Any]) -> Job:
    """A job from what the gateway says of it."""
    progress, error = raw["progress"], raw["error"] or {}
    asked = {name: raw[name] for name in ("source", "target", "format", *_ASKED)}
    return Job(
        id=raw["id"],
        request=JobRequest(**asked),
        state=JobState(raw["state"]),
        created=raw["created"],
        duration=progress["duration"],
        heard=progress["heard"],
        pieces=progress["pieces"],
        done=progress["done"],
        cut=progress["cut"],
        elapsed=progress["elapsed"],
        code=error.get("code", ""),
        message=error.get("message", ""),
        attempt=raw["attempt"],
    )


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__
