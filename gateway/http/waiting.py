"""A request that waits for its job: looks at it now and then, within limits, for as long as the
client is there.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import contextmanager
from typing import Final

from asr_tasks import log
from asr_tasks.contracts.errors import (
    AsrError,
    BackendDown,
    Cancelled,
    LimitExceeded,
    NoWorker,
    Overloaded,
    error_for,
)
from asr_tasks.contracts.jobs import Job, Jobs, JobState
from asr_tasks.contracts.transcript import Transcript
from gateway.backoff import delays
from gateway.settings import GatewaySettings

_FIRST_SECONDS: Final = 0.05
_LONGEST_SECONDS: Final = 1.0
_SHARE: Final = 20
"""A look comes after a twentieth of the time waited so far: short jobs are answered at once, and
many long ones cost Redis one read a second each."""
_CANCEL_SECONDS: Final = 5.0

_log = log.get(__name__)


class Gone(Exception):
    """The client does not wait any more."""


class Waiting:
    """All requests of a gateway that wait for a job."""

    def __init__(self, jobs: Jobs, settings: GatewaySettings) -> None:
        self._jobs = jobs
        self._settings = settings
        self._stopping = asyncio.Event()
        self._draining = False
        self._running = 0
        self._idle = asyncio.Event()
        self._idle.set()

    @contextmanager
    def attending(self) -> Iterator[None]:
        """A request that :meth:`drain` waits for, from before its upload to its answer.

        Raises:
            Overloaded: this gateway is about to stop.
        """
        if self._draining:
            raise Overloaded("this gateway is about to stop; try another")
        self._running += 1
        self._idle.clear()
        try:
            yield
        finally:
            self._running -= 1
            if not self._running:
                self._idle.set()

    async def looks(self, job: str, gone: Callable[[], bool]) -> AsyncGenerator[Job]:
        """The job at each look, at last when it is over. Whoever stops before that cancels it.

        Args:
            job: its id.
            gone: whether the client is gone.

        Raises:
            Gone: it is.
            NoWorker: nobody began with it in time.
            LimitExceeded: it took too long.
            Overloaded: this gateway stops.
            BackendDown: who knows the jobs does not answer for too long.
        """
        over = False
        try:
            async for found in self._looks(job, gone):
                over = found.state.over
                yield found
        finally:
            if not over:
                await self.cancel(job)

    async def outcome(self, job: Job | None) -> Transcript:
        """The transcript of a job that is over; waits while who keeps it does not answer.

        Raises:
            AsrError: it has none; why.
        """
        match job:
            case Job(state=JobState.DONE):
                transcript = await self._kept(job.id)
                if transcript is None:
                    raise AsrError("the transcript was lost")
                return transcript
            case Job(state=JobState.FAILED):
                raise error_for(job.code, job.message)
            case _:
                raise Cancelled("the transcription was cancelled")

    async def cancel(self, job: str) -> None:
        """End a job that nobody waits for; if that cannot be said now it is done in vain."""
        try:
            async with asyncio.timeout(_CANCEL_SECONDS):
                await self._jobs.cancel(job)
        except (AsrError, TimeoutError) as error:
            _log.warning("a job that nobody waits for goes on", job=job, reason=str(error))

    async def drain(self, seconds: float) -> None:
        """Take nothing new, wait for what waits, then end it."""
        self._draining = True
        for limit in (seconds, _CANCEL_SECONDS):
            try:
                async with asyncio.timeout(limit):
                    await self._idle.wait()
                    return
            except TimeoutError:
                self._stopping.set()

    async def _kept(self, job: str) -> Transcript | None:
        loop = asyncio.get_running_loop()
        began, waits = loop.time(), delays()
        while True:
            try:
                return await self._jobs.transcript(job)
            except BackendDown:
                if loop.time() - began > self._settings.broker_seconds or self._stopping.is_set():
                    raise
            await asyncio.sleep(next(waits))

    async def _looks(self, job: str, gone: Callable[[], bool]) -> AsyncGenerator[Job]:
        loop = asyncio.get_running_loop()
        began = answered = loop.time()
        while True:
            now = loop.time()
            try:
                found = await self._jobs.get(job)
            except BackendDown:
                # The job is safe where it is; only we do not see it.
                if now - answered > self._settings.broker_seconds:
                    raise
            else:
                answered = now
                if found is None:
                    raise AsrError("the job was lost")
                yield found
                if found.state.over:
                    return
                if found.state is JobState.QUEUED and (
                    now - began > self._settings.transcription_queue_seconds
                ):
                    raise NoWorker("no batch worker began with it in time; try again later")
            if now - began > self._settings.transcription_seconds:
                raise LimitExceeded("the transcription took too long; use POST /v1/jobs for it")
            await self._pause(now - began, gone)

    async def _pause(self, waited: float, gone: Callable[[], bool]) -> None:
        limit = min(max(waited / _SHARE, _FIRST_SECONDS), _LONGEST_SECONDS)
        try:
            async with asyncio.timeout(random.uniform(limit / 2, limit)):
                await self._stopping.wait()
        except TimeoutError:
            pass
        else:
            raise Overloaded("this gateway stops; try another")
        if gone():
            raise Gone
