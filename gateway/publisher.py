"""The way of one session's audio from its buffer to the broker, up to its end of stream.

``ended`` is in Redis before the end of stream is published, so whoever attaches after this
gateway's death publishes it again.
"""

from __future__ import annotations

import asyncio

from asr_tasks.contracts.audio import SAMPLE_RATE, Chunk
from asr_tasks.contracts.errors import BackendDown
from gateway.backoff import delays
from gateway.buffer import AudioBuffer
from gateway.mailbox import Mailbox
from gateway.services import Services
from gateway.session_start import Start
from gateway.sessions_store import Fenced


class Publisher:
    """One per session, which runs :meth:`run` as a task of its own."""

    def __init__(
        self, start: Start, buffer: AudioBuffer, mailbox: Mailbox, services: Services
    ) -> None:
        self.confirmed = start.accepted
        """Samples that the broker has confirmed; ``accepted`` in Redis follows."""
        self.ended = start.ended
        """Total samples once the end of stream was decided, else None."""
        self.limit_reached = False
        """Whether the stream was cut off because it is as long as a session may be."""
        self._id = start.id
        self._gateway_epoch = start.gateway_epoch
        self._buffer = buffer
        self._mailbox = mailbox
        self._services = services
        self._settings = services.settings
        self._committed = 0
        self._progress = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._ended_since = self._loop.time()

    async def run(self) -> None:
        """Publish everything, one confirmed chunk at a time; returns after the end of stream.

        Raises:
            Fenced: the session belongs to another gateway by now, or is over.
            QueueGone: nobody would ever read it.
            BackendDown: the broker, or at the end Redis, does not answer for too long.
        """
        limit = int(self._settings.session_seconds * SAMPLE_RATE)
        while self.ended is None:
            pcm = await self._buffer.take(self._settings.keepalive_seconds)
            if pcm is None:
                break
            chunk = Chunk(self.confirmed, pcm)
            await self._services.bus.publish(self._id, chunk)
            # crash here: it is stored but not noted as accepted; the client sends it again and
            # the worker trims the copy.
            self.confirmed = chunk.end
            if pcm:
                self._services.metrics.chunks.inc()
            if self.confirmed >= limit:
                self.limit_reached = True
                self._buffer.close()
                break
            await self._let_worker_follow()
        await self._publish_end()

    def note_committed(self, samples: int) -> None:
        """The transcript is final up to there; lower than before is harmless."""
        self._committed = max(self._committed, samples)
        self._progress.set()

    def overdue(self, now: float) -> bool:
        """Whether the results after the end have not come in time; once per ``finish_seconds``."""
        if self.ended is None or now - self._ended_since <= self._settings.finish_seconds:
            return False
        self._ended_since = now
        return True

    async def _let_worker_follow(self) -> None:
        """Wait while too much audio is ahead of the transcript; nothing is read meanwhile."""
        window = int(self._settings.uncommitted_seconds * SAMPLE_RATE)
        while self.confirmed - self._committed > window:
            self._progress.clear()
            try:
                async with asyncio.timeout(self._settings.keepalive_seconds):
                    await self._progress.wait()
            except TimeoutError:
                await self._services.bus.publish(self._id, Chunk(self.confirmed))

    async def _publish_end(self) -> None:
        if self.ended is None:
            try:
                self._note_ended(await self._decide_end())
            except Fenced:
                # Over or another's: nothing more comes from here, and a look is wanted soon.
                self._note_ended(self.confirmed)
                raise
            self._mailbox.accepted(self.confirmed)
        # crash here: whoever attaches sees `ended` and publishes it again; if nobody does, the
        # worker ends by its idle limit.
        await self._services.bus.publish(self._id, Chunk(self.ended or 0, eos=True))

    async def _decide_end(self) -> int:
        """Write the end to Redis, trying again while Redis is away; returns the total.

        Raises:
            BackendDown: away for longer than the broker may be for audio. All of it is in the
                broker: the client may come back and end it then; if it does not, the worker
                ends by its idle limit.
        """
        deadline = self._loop.time() + self._settings.broker_seconds
        pauses = delays(0.1, 2.0)
        while True:
            try:
                return await self._services.store.end(self._id, self._gateway_epoch, self.confirmed)
            except BackendDown:
                pause = next(pauses)
                if self._loop.time() + pause > deadline:
                    raise
                await asyncio.sleep(pause)

    def _note_ended(self, total: int) -> None:
        self.ended = total
        self._ended_since = self._loop.time()
