"""The HTTP API put together: what it is made of, its routes, its start and its end."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import NoReturn

from aiohttp import web

from asr_tasks.configuration import ConfigurationError
from asr_tasks.contracts.errors import AsrError, Unavailable
from asr_tasks.contracts.jobs import Jobs
from gateway.http import description, errors, models
from gateway.http.jobs import JobsResource
from gateway.http.keys import Keys
from gateway.http.sessions import Sessions
from gateway.http.sweep import Sweep
from gateway.http.transcriptions import Transcriptions
from gateway.http.uploads import Uploads
from gateway.http.waiting import Waiting
from gateway.protocols import kaldi_http
from gateway.registry import Models, Registry
from gateway.services import Services

_NO_JOBS = "This gateway was started without a place for batch jobs, so it takes no recordings."


@dataclass(frozen=True, slots=True)
class _Batch:
    """What there is only with jobs."""

    jobs: Jobs
    uploads: Uploads
    waiting: Waiting
    sweep: Sweep


class HttpApi:
    """One per gateway; owns the jobs it is given."""

    def __init__(
        self, services: Services, registry: Registry, catalogue: Models, jobs: Jobs | None
    ) -> None:
        """Raises:
        ConfigurationError: uploads cannot be kept where the settings say.
        """
        self._services = services
        self._registry = registry
        self._models = catalogue
        self._keys = Keys(services.settings)
        self._batch = None if jobs is None else self._with(jobs)

    def _with(self, jobs: Jobs) -> _Batch:
        settings = self._services.settings
        try:
            uploads = Uploads(settings, self._services.metrics)
        except (OSError, ValueError, ImportError) as error:
            raise ConfigurationError(f"ASR_UPLOADS={settings.uploads}: {error}") from error
        return _Batch(
            jobs,
            uploads,
            Waiting(jobs, settings),
            Sweep(
                uploads,
                jobs,
                orphan_seconds=settings.upload_orphan_seconds,
                keep_seconds=settings.upload_keep_seconds,
            ),
        )

    def add_routes(self, app: web.Application) -> None:
        """Serve everything."""
        settings = self._services.settings
        models.add_routes(app, self._models, settings.default_model)
        sessions = Sessions(self._services.store, self._models, self._keys)
        app.router.add_get("/v1/sessions/{id}", sessions.get)
        app.router.add_get("/v1/sessions/{id}/transcript", sessions.transcript)
        kaldi_http.add_routes(app, self._registry, settings, self._keys.check)
        description.add_routes(app)
        if self._batch is None:
            for path in ("/v1/audio/transcriptions", "/v1/jobs", "/v1/jobs/{rest:.*}"):
                app.router.add_route("*", path, _no_jobs)
            return
        self._add_batch(app, self._batch)

    def _add_batch(self, app: web.Application, batch: _Batch) -> None:
        settings = self._services.settings
        transcriptions = Transcriptions(
            settings, self._models, self._keys, batch.uploads, batch.jobs, batch.waiting
        )
        jobs = JobsResource(
            settings, self._models, self._keys, batch.uploads, batch.jobs, batch.waiting
        )

        async def expect(request: web.Request) -> web.StreamResponse | None:
            """A client that asks first does not send gigabytes for nothing. No middleware yet."""
            try:
                self._keys.check(request)
                batch.uploads.check_length(request.content_length)
            except AsrError as error:
                return errors.answer(error)
            if request.headers.get("Expect", "").lower() != "100-continue":
                return web.Response(status=417)
            await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            request.writer.output_size = 0  # else the answer's own head counts as sent already
            return None

        add = app.router.add_route
        add("POST", "/v1/audio/transcriptions", transcriptions.create, expect_handler=expect)
        add("POST", "/v1/jobs", jobs.create, expect_handler=expect)
        app.router.add_get("/v1/jobs", jobs.list)
        app.router.add_get("/v1/jobs/{id}", jobs.get)
        app.router.add_delete("/v1/jobs/{id}", jobs.cancel)
        app.router.add_post("/v1/jobs/{id}/cancel", jobs.cancel)
        app.router.add_post("/v1/jobs/{id}/retry", jobs.retry)
        app.router.add_get("/v1/jobs/{id}/transcript", jobs.transcript)

    def start(self) -> None:
        """Begin the regular business."""
        if self._batch is not None:
            self._batch.sweep.start()

    async def drain(self) -> None:
        """Let uploads, and requests that wait for their transcription, end within the limit."""
        if self._batch is not None:
            await self._batch.waiting.drain(self._services.settings.gateway_drain_seconds)

    async def close(self) -> None:
        """Stop; no request runs any more."""
        if self._batch is not None:
            await self._batch.sweep.close()
            await self._batch.jobs.close()
            await asyncio.to_thread(self._batch.uploads.close)


async def _no_jobs(_: web.Request) -> NoReturn:
    raise Unavailable(_NO_JOBS)
