"""Jobs in Redis for who asks for them: implements :class:`asr_tasks.contracts.jobs.Jobs`."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any, cast

import redis.asyncio
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from asr_tasks.catalogue import Catalogue
from asr_tasks.contracts import names
from asr_tasks.contracts.errors import BadParameter, UnknownModel
from asr_tasks.contracts.jobs import CHANNELS, FORMATS, Job, JobRequest, JobState
from asr_tasks.contracts.transcript import Transcript
from asr_tasks.jobs.records import (
    PACKAGE,
    Stretch,
    assemble,
    beginning,
    create_keys,
    end_keys,
    kept_from,
    request_json,
)
from asr_tasks.media import uri
from asr_tasks.state.cancellation import heeded
from asr_tasks.state.outage import failure
from asr_tasks.state.scripts import source

COMMAND_TIMEOUT = 5.0
PAGE = 200
"""Jobs looked at in one round trip."""

Launch = Callable[[str, JobRequest], Awaitable[None]]
"""Sends the message that begins a job; raises BackendDown."""


class RedisJobs:
    """One Redis. Belongs to one asyncio loop.

    Args:
        client: decodes its answers.
        launch: sends a job's first message.
        catalogue: knows the models.
        expires: seconds a job is kept when it is over.
    """

    def __init__(
        self, client: redis.asyncio.Redis, launch: Launch, catalogue: Catalogue, *, expires: int
    ) -> None:
        self._redis = client
        self._launch = launch
        self._catalogue = catalogue
        self._expires = expires
        self._scripts: dict[str, Any] = {}

    @classmethod
    def connect(cls, url: str, launch: Launch, catalogue: Catalogue, *, expires: int) -> RedisJobs:
        """Over connections of its own; close it."""
        pool = redis.asyncio.BlockingConnectionPool.from_url(
            url,
            max_connections=16,
            timeout=COMMAND_TIMEOUT,
            decode_responses=True,
            socket_timeout=COMMAND_TIMEOUT,
            socket_connect_timeout=COMMAND_TIMEOUT,
            retry=Retry(NoBackoff(), 1),
        )
        return cls(redis.asyncio.Redis.from_pool(pool), launch, catalogue, expires=expires)

    async def close(self) -> None:
        await self._redis.aclose()

    async def create(self, request: JobRequest, job: str = "") -> Job:
        request = checked(request, self._catalogue)
        job = job or str(uuid.uuid4())
        # Kept first, sent then: a message that is lost in between is sent by the caretaker.
        if await self._run("create", create_keys(job), job, request_json(request)):
            await self._launch(job, request)
        found = await self.get(job)
        return found or Job(id=job, request=request)

    async def get(self, job: str) -> Job | None:
        found = await self._look([job])
        return found[0] if found else None

    async def recent(
        self, limit: int = 50, state: JobState | None = None, after: str = ""
    ) -> Sequence[Job]:
        begin = 0
        if after:
            rank = await self._read("ZREVRANK", names.JOBS_KEY, after)
            if rank is None:
                return []
            begin = int(rank) + 1
        found: list[Job] = []
        while len(found) < limit:
            ids = await self._read("ZREVRANGE", names.JOBS_KEY, begin, begin + PAGE - 1)
            jobs = await self._look(ids)
            found += [job for job in jobs if state is None or job.state is state]
            await self._forget(set(ids) - {job.id for job in jobs})
            if len(ids) < PAGE:
                break
            begin += PAGE
        return found[:limit]

    async def cancel(self, job: str) -> Job | None:
        arguments = [job, JobState.CANCELLED.value, "cancelled", "Cancelled.", "", self._expires]
        await self._run("finish", end_keys(job), *arguments)
        return await self.get(job)

    async def retry(self, job: str) -> Job | None:
        again = await self._run("retry", end_keys(job), job)
        found = await self.get(job)
        if again and found is not None:
            await self._launch(job, found.request)
        return found

    async def transcript(self, job: str) -> Transcript | None:
        text = await self._read("GET", names.job_keys(job)[4])
        return Transcript.from_json(text) if text else None

    async def so_far(self, job: str) -> Transcript | None:
        whole = await self.transcript(job)
        if whole is not None:
            return whole
        found = await self.get(job)
        if found is None:
            return None
        _, pieces, heard, *_ = names.job_keys(job)
        cut = _pairs(await self._read("HGETALL", pieces))
        said = {int(index): text for index, text in _pairs(await self._read("HGETALL", heard))}
        stretches = [Stretch.from_text(int(index), text) for index, text in cut]
        stretches.sort(key=lambda stretch: stretch.index)
        language = self._catalogue.get(found.request.model).language
        return assemble(found.request, language, beginning(stretches, said), said)

    async def _look(self, ids: Sequence[str]) -> list[Job]:
        if not ids:
            return []
        now, *rows = await self._run("look", [names.job_key(job) for job in ids])
        kept = (kept_from(job, row, float(now)) for job, row in zip(ids, rows, strict=True))
        return [one.job for one in kept if one is not None]

    async def _forget(self, ids: set[str]) -> None:
        """Take jobs that have expired out of the list."""
        if ids:
            await self._read("ZREM", names.JOBS_KEY, *ids)

    async def _run(self, name: str, keys: Sequence[str], *arguments: Any) -> Any:
        script = self._scripts.get(name)
        if script is None:
            script = self._redis.register_script(source(PACKAGE, name))
            self._scripts[name] = script
        try:
            with heeded():
                return await script(keys=keys, args=arguments)
        except (RedisError, OSError) as error:
            raise failure(error, name) from error

    async def _read(self, *command: Any) -> Any:
        try:
            with heeded():
                return await cast("Any", self._redis).execute_command(*command)
        except (RedisError, OSError) as error:
            raise failure(error, command[0]) from error


def checked(request: JobRequest, catalogue: Catalogue) -> JobRequest:
    """The request with its model and name filled in.

    Raises:
        UnknownModel: no such model, or one that transcribes nothing.
        BadParameter: an address, format or choice of channels that cannot be.
    """
    model = request.model or next(iter(catalogue))
    entry = catalogue.get(model)
    if entry.kind == "none":
        raise UnknownModel(f"The model {model!r} transcribes nothing.")
    uri.check(request.source)
    if request.target:
        uri.check(request.target, uri.WRITABLE)
    if request.webhook:
        uri.check(request.webhook, ("http", "https"))
    if request.format not in FORMATS:
        raise BadParameter(f"no format {request.format!r}; there are {', '.join(FORMATS)}")
    if request.channels not in CHANNELS:
        raise BadParameter(f"channels can be {' or '.join(CHANNELS)}, not {request.channels!r}")
    return replace(request, model=model, name=request.name or uri.name_of(request.source))


def _pairs(reply: Any) -> list[tuple[str, str]]:
    if isinstance(reply, dict):
        return list(reply.items())
    return list(zip(reply[::2], reply[1::2], strict=True))
