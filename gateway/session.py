"""One session at this gateway: audio in, results out, and its end, whatever happens to whom.

Four tasks run for as long as this gateway owns the session:

* *publish*: the buffer's audio to the broker, one confirmed chunk at a time;
* *deliver*: everything that is to be told, in order, to the client if it is there;
* *allocate*: asks for a worker until there is an answer;
* *watch*: the limits of time.

What a gateway knows and would be missed after its death is in Redis before anyone relies on it:
``accepted`` before the client is told so, ``ended`` before the end of stream is published. So
another gateway goes on from Redis alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, Final, Protocol

from asr_tasks import log
from asr_tasks.contracts.audio import SAMPLE_RATE, Chunk, seconds
from asr_tasks.contracts.errors import (
    AsrError,
    AudioAfterEnd,
    BackendDown,
    Cancelled,
    IdleTimeout,
    NoWorker,
    SessionSuperseded,
    StreamFailed,
)
from asr_tasks.contracts.states import SessionState
from gateway.audio.source import Source
from gateway.backoff import delays
from gateway.buffer import AudioBuffer
from gateway.bus import QueueGone
from gateway.client_state import ClientState, move
from gateway.delivery import Delivery
from gateway.events import (
    LAST,
    Accepted,
    Done,
    Event,
    Failed,
    FinalResult,
    GoingAway,
    Moved,
    Notice,
    PartialResult,
)
from gateway.ingest import Ingest
from gateway.mailbox import Batch, Look, Mailbox
from gateway.services import Services
from gateway.sessions_store import Fenced, View
from gateway.stopping import stop

_LOOKS_WITHOUT_TRACE: Final = 3
"""So often Redis may not know a session before it counts as lost."""
_WATCH_SECONDS: Final = 0.25
_WARNINGS: Final = {
    "incomplete_sample": "The stream ended inside a sample; the incomplete sample was dropped.",
    "truncated": "The container ended too early or was damaged; what was there is transcribed.",
}


class ClientGone(Exception):
    """The client cannot be told anything any more."""


class Outlet(Protocol):
    """The client's connection, as a session sees it."""

    async def tell(self, event: Event) -> None:
        """Send; closes the connection after one of :data:`gateway.events.LAST`.

        Raises:
            ClientGone: it is closed, or takes nothing.
        """
        ...


@dataclass(frozen=True, slots=True)
class Start:
    """Where a session begins at this gateway: anew, or where another connection left it."""

    id: str
    model: str
    source: Source
    gateway_epoch: int = 1
    accepted: int = 0
    ended: int | None = None
    next_segment: int = 0
    assigned: bool = False
    resume_seconds: float = 0.0


class Session:
    """Owned by the registry, which runs :meth:`run`; used by one connection."""

    def __init__(self, start: Start, services: Services, outlet: Outlet) -> None:
        self.id = start.id
        self.model = start.model
        self.gateway_epoch = start.gateway_epoch
        self.mailbox = Mailbox()
        self.confirmed = start.accepted
        """Samples that the broker has confirmed; ``accepted`` in Redis follows."""
        self.delivery = Delivery(start.next_segment)
        self.state = ClientState.SENDING if start.ended is None else ClientState.ENDED
        self._start = start
        self._services = services
        self._settings = services.settings
        self._outlet: Outlet | None = outlet
        self._buffer = AudioBuffer()
        self._ingest = Ingest(start.source, start.accepted, self._buffer, services.decoders)
        self._ended = start.ended
        self._committed = 0
        self._progress = asyncio.Event()
        self._over = asyncio.Event()
        self._greeted = asyncio.Event()
        self._owned = True
        self._fault: AsrError | None = None
        self._limit_reached = False
        self._traceless = 0
        self._ever_assigned = start.assigned
        self._redis_state = SessionState.WAITING
        self._loop = asyncio.get_running_loop()
        self._waiting_since = self._last_audio = self._loop.time()
        self._away_since = self._ended_since = self._began = self._last_audio
        self._first_audio: float | None = None
        self._first_text = False
        self._log = log.get(__name__).bind(session=start.id)

    # What the connection calls.

    async def feed(self, data: bytes) -> None:
        """Audio of the client; waits while the session has enough of it.

        Raises:
            AudioAfterEnd: after :meth:`end`.
            BadAudio: not audio of the declared format.
        """
        if not data or self._over.is_set() or self._limit_reached:
            return
        if self.state is not ClientState.SENDING:
            raise AudioAfterEnd
        began = self._last_audio = self._loop.time()
        if self._first_audio is None:
            self._first_audio = began
        await self._ingest.feed(data)
        self._last_audio = self._loop.time()
        if self._last_audio - began > 0.01:
            self._services.metrics.backpressure.inc(self._last_audio - began)
        self._services.metrics.audio_bytes.inc(len(data))

    async def end(self) -> None:
        """No more audio comes; again is harmless.

        Raises:
            BadAudio: what came is no audio.
        """
        if self.state is not ClientState.SENDING:
            return
        self._move(ClientState.ENDED)
        try:
            for code in await self._ingest.finish():
                self.mailbox.event(Notice(code, _WARNINGS[code]))
        finally:
            self._buffer.end()

    async def cancel(self) -> None:
        """Stop now; the outcome is told like any other.

        Raises:
            BackendDown: Redis does not answer; try again.
        """
        await self._fail(Cancelled())

    def give_up(self) -> None:
        """The client made a mistake and is being told: what was accepted is transcribed."""
        self._outlet = None
        self._greeted.set()
        self._let_go(window=0.0)

    def detach(self) -> None:
        """The connection is gone; the client may come back."""
        self._outlet = None
        self._greeted.set()
        self._let_go(window=self._start.resume_seconds)

    # What the registry and the reconciler call.

    async def run(self) -> None:
        """Live until this gateway has nothing more to do with the session."""
        work = [
            asyncio.create_task(self._guarded(name, part()), name=f"{name} {self.id}")
            for name, part in {
                "publish": self._publish,
                "deliver": self._deliver,
                "allocate": self._allocate,
                "watch": self._watch,
            }.items()
        ]
        try:
            await self._over.wait()
        finally:
            await stop(work)
            self._ingest.close()
            self._buffer.close()
            if self.state is not ClientState.CLOSED:
                self._move(ClientState.CLOSED)
            await self._release()

    def greeted(self) -> None:
        """The client knows of its session: from now on it is told what happens."""
        self._greeted.set()

    def note_accepted(self, samples: int) -> None:
        """Redis has it: the client may be told."""
        self.mailbox.accepted(samples)

    def note_look(self, look: Look) -> None:
        """Redis was asked."""
        found = look.found
        if found is None:
            # Neither live nor ended. A look can fall between two writes; a lost Redis stays lost.
            self._traceless += 1
            if self._traceless >= _LOOKS_WITHOUT_TRACE:
                self._close(Failed(StreamFailed.code, "The session's state was lost."))
            return
        self._traceless = 0
        if isinstance(found, View):
            if found.gateway_epoch > self.gateway_epoch:
                self.supersede()
                return
            self._note_state(SessionState(found.state))
            self._committed = max(self._committed, found.committed)
            self._progress.set()
        self.mailbox.look(look)

    def supersede(self) -> None:
        """A newer connection has the session: tell the client of this one, touch nothing else."""
        self._owned = False
        self._close(Failed(SessionSuperseded.code, SessionSuperseded.hint))

    @property
    def urgent(self) -> bool:
        """Whether Redis should be asked about this session soon."""
        return self.delivery.wants_look or self._ended is not None

    @property
    def connected(self) -> bool:
        """Whether a client is there."""
        return self._outlet is not None

    @property
    def resume_seconds(self) -> float:
        """How long it is kept for a client whose connection breaks."""
        return self._start.resume_seconds

    @property
    def resumable(self) -> bool:
        """Whether its client can come back elsewhere."""
        return self._start.resume_seconds > 0

    def going_away(self) -> None:
        """Tell the client that this gateway will stop."""
        self.mailbox.event(GoingAway(self._settings.going_away_ms))

    def hand_over(self) -> None:
        """Stop here and leave the session as it is, for the next gateway."""
        self._owned = False
        self._close(Moved())

    # The four tasks.

    async def _publish(self) -> None:
        bus, limit = self._services.bus, int(self._settings.session_seconds * SAMPLE_RATE)
        while self._ended is None:
            pcm = await self._buffer.take(self._settings.keepalive_seconds)
            if pcm is None:
                break
            chunk = Chunk(self.confirmed, pcm)
            await bus.publish(self.id, chunk)
            # crash here: it is stored but not noted as accepted; the client sends it again and
            # the worker trims the copy.
            self.confirmed = chunk.end
            if pcm:
                self._services.metrics.chunks.inc()
            if self.confirmed >= limit:
                self._limit_reached = True
                self._buffer.close()
                break
            await self._let_worker_follow()
        await self._publish_end()

    async def _let_worker_follow(self) -> None:
        """Wait while too much audio is ahead of the transcript; nothing is read meanwhile."""
        window = int(self._settings.uncommitted_seconds * SAMPLE_RATE)
        while self.confirmed - self._committed > window:
            self._progress.clear()
            try:
                async with asyncio.timeout(self._settings.keepalive_seconds):
                    await self._progress.wait()
            except TimeoutError:
                await self._services.bus.publish(self.id, Chunk(self.confirmed))

    async def _publish_end(self) -> None:
        if self._ended is None:
            for delay in delays(0.1, 2.0):
                try:
                    self._ended = await self._services.store.end(
                        self.id, self.gateway_epoch, self.confirmed
                    )
                except BackendDown:
                    await asyncio.sleep(delay)  # bounded by the watch over the whole ending
                except Fenced as fenced:
                    self._fenced(fenced)
                    return
                else:
                    break
            self.mailbox.accepted(self.confirmed)
        self._ended_since = self._loop.time()
        # crash here: whoever attaches sees `ended` and publishes it again; if nobody does, the
        # worker ends by its idle limit.
        await self._services.bus.publish(self.id, Chunk(self._ended or 0, eos=True))

    async def _deliver(self) -> None:
        await self._greeted.wait()
        while not self._over.is_set():
            batch = await self.mailbox.take()
            for event in self._events(batch):
                await self._tell(event)

    def _events(self, batch: Batch) -> list[Event]:
        events: list[Event] = []
        if batch.accepted is not None:
            covered = self._ingest.bytes_of(batch.accepted)
            events.append(Accepted(covered, round(seconds(batch.accepted), 3)))
        last = [event for event in batch.events if isinstance(event, LAST)]
        events += [event for event in batch.events if not isinstance(event, LAST)]
        for message in batch.messages:
            if message.worker:
                self._note_state(SessionState.STREAMING)
            events += self.delivery.message(message)
        if batch.look is not None:
            events += self.delivery.look(batch.look.found, batch.look.segments)
        return events + last

    async def _tell(self, event: Event) -> None:
        if isinstance(event, PartialResult | FinalResult) and not self._first_text:
            self._first_text = True
            if self._first_audio is not None and event.result.text:
                self._services.metrics.first_partial.observe(self._loop.time() - self._first_audio)
        if isinstance(event, Done) and self._limit_reached:
            event = Done(event.segments, event.duration, "limit")
        if self._outlet is not None:
            try:
                await self._outlet.tell(event)
            except ClientGone:
                self.detach()
        if isinstance(event, LAST):
            self._note_last(event)
            self._over.set()

    async def _allocate(self) -> None:
        if self._ever_assigned:
            return  # failover is the monitor's
        for delay in delays(0.05, 2.0):
            try:
                await self._services.allocator.allocate(self.id, self.model)
            except BackendDown as error:
                self._fault = error  # told if nothing better is known when the wait is over
                await asyncio.sleep(delay)
            else:
                self._fault = None
                return

    async def _watch(self) -> None:
        settings = self._settings
        while True:
            await asyncio.sleep(_WATCH_SECONDS)
            now = self._loop.time()
            if (
                self.state is ClientState.AWAY
                and now - self._away_since > self._start.resume_seconds
            ):
                self._end_alone()
            if self.state is ClientState.SENDING and now - self._last_audio > settings.idle_seconds:
                self._log.info("the client sends nothing, ending", limit=settings.idle_seconds)
                await self._dismiss(IdleTimeout())
            if self._redis_state is SessionState.WAITING:
                limit = settings.rewait_seconds if self._ever_assigned else settings.wait_seconds
                if now - self._waiting_since > limit:
                    self._waiting_since = now
                    await self._try_to_fail(self._fault or NoWorker(), only_waiting=True)
            if self._ended is not None and now - self._ended_since > settings.finish_seconds:
                self._ended_since = now
                await self._try_to_fail(StreamFailed("The last results did not come in time."))

    async def _guarded(self, name: str, part: Coroutine[Any, Any, None]) -> None:
        try:
            await part
        except BackendDown as error:
            # What was accepted is safe. The client may come back, here or elsewhere; if it does
            # not, the worker ends the session by its idle limit.
            self._log.warning("a session is given up here", reason=str(error))
            self._owned = False
            self._close(Failed(error.code, str(error)))
        except QueueGone:
            await self._fail_finally(StreamFailed("The session's queue was deleted."))
        except AsrError as error:
            await self._fail_finally(error)
        except Exception:
            self._log.exception("a session's task broke", part=name)
            await self._fail_finally(AsrError())

    # Endings.

    def _let_go(self, window: float) -> None:
        match self.state:
            case ClientState.SENDING if window > 0:
                self._away_since = self._loop.time()
                self._move(ClientState.AWAY)
            case ClientState.SENDING:
                self._move(ClientState.AWAY)
                self._end_alone()
            case ClientState.ENDED:
                self._move(ClientState.ALONE)

    def _end_alone(self) -> None:
        self._move(ClientState.ALONE)
        self._ingest.close()
        self._buffer.end()

    async def _dismiss(self, error: AsrError) -> None:
        """Tell the client the error, then carry the session to its end without it."""
        outlet, self._outlet = self._outlet, None
        self._services.metrics.errors.labels(error.code).inc()
        if outlet is not None:
            try:
                await outlet.tell(Failed(error.code, str(error)))
            except ClientGone:
                self._log.debug("the client was gone already")
        self._let_go(window=0.0)

    async def _fail(self, error: AsrError, *, only_waiting: bool = False) -> None:
        """End the session in Redis; the outcome comes back by a look, like every other."""
        done = await self._services.store.fail(
            self.id,
            self.gateway_epoch,
            self.model,
            (error.code, str(error)),
            only_waiting=only_waiting,
        )
        self.delivery.wants_look |= done

    async def _try_to_fail(self, error: AsrError, *, only_waiting: bool = False) -> None:
        try:
            await self._fail(error, only_waiting=only_waiting)
        except BackendDown as down:
            self._log.warning("a limit passed while Redis is away", reason=str(down))

    async def _fail_finally(self, error: AsrError) -> None:
        try:
            await self._fail(error)
        except BackendDown:
            self._owned = False
        self._close(Failed(error.code, str(error)))

    def _close(self, event: Event) -> None:
        self.mailbox.event(event)

    def _fenced(self, fenced: Fenced) -> None:
        if not fenced.gone:
            self.supersede()
        # Gone: it has ended, by its worker's limits or an operator; a look brings how.
        self._ended = self.confirmed if self._ended is None else self._ended

    async def _release(self) -> None:
        bus = self._services.bus
        try:
            if self._owned:
                await bus.delete(self.id)
            else:
                await bus.leave(self.id, self.mailbox.message)
        except BackendDown as error:
            # The queues expire by themselves.
            self._log.warning("queues are left to expire", reason=str(error))

    def _note_last(self, event: Event) -> None:
        metrics = self._services.metrics
        metrics.duration.observe(self._loop.time() - self._began)
        match event:
            case Done():
                metrics.ended.labels(event.reason).inc()
                self._log.info(
                    "session done",
                    segments=event.segments,
                    seconds=event.duration,
                    reason=event.reason,
                )
            case Failed():
                metrics.ended.labels(event.code).inc()
                metrics.errors.labels(event.code).inc()
                self._log.info("session failed", code=event.code, reason=event.message)
            case _:
                metrics.ended.labels("moved").inc()

    def _note_state(self, state: SessionState) -> None:
        if state is SessionState.WAITING and self._redis_state is not SessionState.WAITING:
            self._waiting_since = self._loop.time()
        self._ever_assigned |= state is not SessionState.WAITING
        self._redis_state = state

    def _move(self, new: ClientState) -> None:
        self.state = move(self.state, new)


async def _tell_last(outlet: Outlet, error: AsrError) -> None:
    try:
        await outlet.tell(Failed(error.code, str(error)))
    except ClientGone:
        return
