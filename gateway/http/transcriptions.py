"""``POST /v1/audio/transcriptions``: a batch job that the request waits for.

https://platform.openai.com/docs/api-reference/audio/createTranscription; the ``openai`` package
works against it as it is. A client that goes cancels its job. When this gateway dies the job goes
on without anyone to wait for it, and its upload is swept once it is done.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final

from aiohttp import web

from asr_tasks import log
from asr_tasks.contracts import names
from asr_tasks.contracts.errors import AsrError, BackendDown
from asr_tasks.contracts.jobs import Job, JobRequest, Jobs, JobState
from asr_tasks.contracts.transcript import Transcript
from gateway.http import errors, form, transcription_answer, transcription_request
from gateway.http.errors import BadField
from gateway.http.keys import Keys
from gateway.http.transcription_request import TranscriptionRequest
from gateway.http.uploads import Upload, Uploads
from gateway.http.waiting import Gone, Waiting
from gateway.registry import Models
from gateway.settings import GatewaySettings

_ALIVE: Final = b": alive\n\n"

_log = log.get(__name__)


@dataclass(frozen=True, slots=True)
class Transcriptions:
    """The handler; ``jobs`` is where the work is done."""

    settings: GatewaySettings
    models: Models
    keys: Keys
    uploads: Uploads
    jobs: Jobs
    waiting: Waiting

    async def create(self, request: web.Request) -> web.StreamResponse:
        """Handle a request.

        Raises:
            AsrError: before anything was answered.
        """
        self.keys.check(request)
        with self.waiting.attending():
            return await self._create(request)

    async def _create(self, request: web.Request) -> web.StreamResponse:
        received: list[Upload] = []

        async def receive(chunks: AsyncIterator[bytes], name: str) -> None:
            received.append(await self.uploads.receive(chunks, name))

        job = names.new_session_id()
        try:
            with self.uploads.room(request.content_length):
                read = await form.read(
                    request,
                    receive,
                    lambda fields: transcription_request.check(fields, self.models),
                    self.settings.upload_idle_seconds,
                )
                asked = transcription_request.parse(read.fields, self.models)
                if not received:
                    raise BadField("file", "file is missing")
                source = await self.uploads.keep(received[0], job)
            return await self._transcribe(request, asked, job, source, received[0].name)
        except Gone:
            _log.info("the client is gone, its transcription is cancelled", job=job)
            return web.Response(status=errors.GONE)
        finally:
            for upload in received:
                await self.uploads.drop(upload, job)

    async def _transcribe(
        self, request: web.Request, asked: TranscriptionRequest, job: str, source: str, name: str
    ) -> web.StreamResponse:
        wanted = JobRequest(source, model=asked.model, language=asked.language, name=name)
        try:
            await self.jobs.create(wanted, job)
        except BaseException:
            # It may have begun all the same.
            await self.waiting.cancel(job)
            raise
        looks = self.waiting.looks(job, lambda: _gone(request))
        async with aclosing(looks):
            if asked.stream:
                return await _Stream(request, self.settings, self.jobs, self.waiting).answer(looks)
            last: Job | None = None
            async for found in looks:
                last = found
            return transcription_answer.answer(asked, await self.waiting.outcome(last))


class _Stream:
    """One answer in server-sent events."""

    def __init__(
        self, request: web.Request, settings: GatewaySettings, jobs: Jobs, waiting: Waiting
    ) -> None:
        self._request = request
        self._settings = settings
        self._jobs = jobs
        self._waiting = waiting
        self._response: web.StreamResponse | None = None
        self._said = ""
        self._spoke = asyncio.get_running_loop().time()

    async def answer(self, looks: AsyncGenerator[Job]) -> web.StreamResponse:
        """Send what becomes known as it does.

        Raises:
            AsrError: before anything was sent.
            Gone: the client takes nothing any more.
        """
        try:
            last: Job | None = None
            async for found in looks:
                if last is None or found.done != last.done:
                    await self._grow(found)
                last = found
                await self._keep_alive(found)
            transcript = await self._waiting.outcome(last)
            await self._say(transcript)
            await self._send(
                transcription_answer.event(type="transcript.text.done", text=transcript.text)
            )
        except AsrError as error:
            if self._response is None:
                raise
            await self._send(transcription_answer.event(**errors.described(error)))
        assert self._response is not None
        try:
            await self._response.write_eof()
        except ConnectionError as error:
            raise Gone from error
        return self._response

    async def _grow(self, job: Job) -> None:
        if job.done and not job.state.over:
            try:
                known = await self._jobs.so_far(job.id)
            except BackendDown:
                return  # a later look brings it
            if known is not None:
                await self._say(known)

    async def _say(self, transcript: Transcript) -> None:
        """The text that was not said yet."""
        text = transcript.text
        if text.startswith(self._said) and len(text) > len(self._said):
            delta, self._said = text[len(self._said) :], text
            await self._send(transcription_answer.event(type="transcript.text.delta", delta=delta))

    async def _keep_alive(self, job: Job) -> None:
        """A comment while nothing is heard, so that no proxy takes the connection for dead; not
        before the work has begun, up to when an error is told by the status.
        """
        now = asyncio.get_running_loop().time()
        begun = self._response is not None or job.state is JobState.RUNNING
        if begun and now - self._spoke > self._settings.alive_seconds:
            await self._send(_ALIVE)

    async def _send(self, data: bytes) -> None:
        try:
            async with asyncio.timeout(self._settings.send_seconds):
                if self._response is None:
                    self._response = web.StreamResponse(
                        headers={
                            "Content-Type": "text/event-stream; charset=utf-8",
                            "Cache-Control": "no-cache",
                            "X-Accel-Buffering": "no",
                        }
                    )
                    await self._response.prepare(self._request)
                await self._response.write(data)
        except (ConnectionError, TimeoutError) as error:
            raise Gone from error
        self._spoke = asyncio.get_running_loop().time()


def _gone(request: web.Request) -> bool:
    transport = request.transport
    return transport is None or transport.is_closing()
