"""``/v1/jobs``: recordings that are transcribed while nobody waits."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Final, cast

from aiohttp import web

from asr_tasks.contracts import names
from asr_tasks.contracts.errors import (
    BackendDown,
    BadRequest,
    IdleTimeout,
    MessageTooBig,
    NoTranscript,
    UnknownJob,
)
from asr_tasks.contracts.job_fields import job_fields
from asr_tasks.contracts.jobs import FORMATS, Format, Job, JobRequest, Jobs, JobState
from asr_tasks.formats import media_type, render
from gateway.http import fields as values
from gateway.http import form, job_request
from gateway.http.errors import BadField
from gateway.http.form import Fields
from gateway.http.keys import Keys
from gateway.http.uploads import Upload, Uploads
from gateway.http.waiting import Waiting
from gateway.registry import Models
from gateway.settings import GatewaySettings

MOST_LISTED: Final = 200
LISTED: Final = 20
_BODY_BYTES: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class JobsResource:
    """The handlers; ``jobs`` is where the work is done."""

    settings: GatewaySettings
    models: Models
    keys: Keys
    uploads: Uploads
    jobs: Jobs
    waiting: Waiting

    async def create(self, request: web.Request) -> web.Response:
        """``POST /v1/jobs``: JSON that names a source, or a form with the recording itself."""
        self.keys.check(request)
        if request.content_type == "multipart/form-data":
            with self.waiting.attending():
                job = await self._from_form(request)
        else:
            fields = job_request.from_json(await _json(request, self.settings.upload_idle_seconds))
            wanted = self._parse(fields, uploaded=False)
            job = await self._keep(wanted.request, wanted.id or names.new_session_id())
        return web.json_response(
            job_fields(job), status=201, headers={"Location": f"/v1/jobs/{job.id}"}
        )

    async def list(self, request: web.Request) -> web.Response:
        """``GET /v1/jobs``: the newest first, a page at a time."""
        self.keys.check(request)
        query = request.query
        limit = values.whole("limit", query.get("limit", str(LISTED)), 1, MOST_LISTED)
        after = query.get("after", "")
        if "after" in query and not names.is_session_id(after):
            raise BadField("after", "after must be the id of a job")
        wanted = None
        if "state" in query:
            wanted = JobState(values.choice("state", query["state"], tuple(JobState)))
        found = list(await self.jobs.recent(limit + 1, wanted, after))
        page = found[:limit]
        return web.json_response(
            {
                "object": "list",
                "data": [job_fields(job) for job in page],
                "has_more": len(found) > limit,
                "last_id": page[-1].id if page else None,
            }
        )

    async def get(self, request: web.Request) -> web.Response:
        """``GET /v1/jobs/{id}``."""
        self.keys.check(request)
        return web.json_response(job_fields(_there(await self.jobs.get(_id(request)))))

    async def cancel(self, request: web.Request) -> web.Response:
        """``POST /v1/jobs/{id}/cancel``, ``DELETE /v1/jobs/{id}``: end it unless it is over."""
        self.keys.check(request)
        return web.json_response(job_fields(_there(await self.jobs.cancel(_id(request)))))

    async def retry(self, request: web.Request) -> web.Response:
        """``POST /v1/jobs/{id}/retry``: begin it again if it failed or was cancelled."""
        self.keys.check(request)
        return web.json_response(job_fields(_there(await self.jobs.retry(_id(request)))))

    async def transcript(self, request: web.Request) -> web.Response:
        """``GET /v1/jobs/{id}/transcript?format=``."""
        self.keys.check(request)
        wanted = format_of(request)
        job = _there(await self.jobs.get(_id(request)))
        if job.state is not JobState.DONE:
            why = f": {job.message}" if job.message else ""
            raise NoTranscript(f"the job is {job.state}, so it has no transcript{why}")
        transcript = await self.jobs.transcript(job.id)
        if transcript is None:
            raise UnknownJob("the transcript of this job has expired")
        return in_format(render(transcript, wanted), wanted)

    async def _from_form(self, request: web.Request) -> Job:
        received: list[Upload] = []
        kept = False

        async def receive(chunks: AsyncIterator[bytes], name: str) -> None:
            received.append(await self.uploads.receive(chunks, name))

        try:
            with self.uploads.room(request.content_length):
                read = await form.read(
                    request,
                    receive,
                    lambda fields: self._parse(fields, uploaded=True),
                    self.settings.upload_idle_seconds,
                )
                wanted = self._parse(read.fields, uploaded=True)
                if not received:
                    raise BadField("file", "file is missing")
                job = wanted.id or names.new_session_id()
                if wanted.id and (known := await self.jobs.get(job)) is not None:
                    return known  # sent again after a lost answer: the file is there already
                source = await self.uploads.keep(received[0], job)
            # From here on the file is the job's: if the answer to `create` is lost the job may
            # have begun. If it has not, nobody knows the file's job, and the sweep deletes it.
            kept = True
            named = wanted.request.name or received[0].name
            return await self._keep(replace(wanted.request, source=source, name=named), job)
        finally:
            if not kept:
                for upload in received:
                    await self.uploads.drop(upload)

    async def _keep(self, request: JobRequest, job: str) -> Job:
        try:
            return await self.jobs.create(request, job)
        except BackendDown:
            # Its first message was not taken by the broker: it is kept all the same, and will
            # begin, so the client must not come again with the same recording.
            found = await self.jobs.get(job)
            if found is None:
                raise
            return found

    def _parse(self, fields: Fields, *, uploaded: bool) -> job_request.Wanted:
        return job_request.parse(fields, self.models, self.settings, uploaded=uploaded)


def format_of(request: web.Request) -> Format:
    """The format that a query asks for.

    Raises:
        BadField: none that there is.
    """
    return cast(Format, values.choice("format", request.query.get("format", "json"), FORMATS))


def in_format(text: str, wanted: Format) -> web.Response:
    """A rendered transcript as a response."""
    return web.Response(
        text=text, content_type=media_type(wanted).partition(";")[0], charset="utf-8"
    )


def _id(request: web.Request) -> str:
    job = request.match_info["id"]
    if not names.is_session_id(job):
        raise UnknownJob
    return job


def _there(job: Job | None) -> Job:
    if job is None:
        raise UnknownJob
    return job


async def _json(request: web.Request, seconds: float) -> object:
    body = b""
    try:
        async with asyncio.timeout(seconds):
            async for chunk in request.content.iter_any():
                body += chunk
                if len(body) > _BODY_BYTES:
                    raise MessageTooBig(f"a job's description may have {_BODY_BYTES} bytes")
    except TimeoutError:
        raise IdleTimeout("the body did not come in time") from None
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise BadRequest("the body must be a JSON object, or a form with a file") from None
