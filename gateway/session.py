"""One session at this gateway: audio in, results out, and its end, whatever happens to whom.

Four tasks run for as long as this gateway owns the session:

* *publish* (:mod:`gateway.publisher`): the buffer's audio to the broker;
* *deliver*: everything that is to be told, in order, to the client if it is there;
* *allocate* (:mod:`gateway.placement`): asks for a worker until there is an answer;
* *watch*: the limits of time.

What a gateway knows and would be missed after its death is in Redis before anyone relies on it:
``accepted`` before the client is told so, ``ended`` before the end of stream is published. So
another gateway goes on from Redis alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, Final

from asr_tasks import log
from asr_tasks.contracts.audio import seconds
from asr_tasks.contracts.errors import (
    AsrError,
    BackendDown,
    Cancelled,
    IdleTimeout,
    SessionSuperseded,
    StreamFailed,
)
from asr_tasks.contracts.states import SessionState
from gateway.buffer import AudioBuffer
from gateway.bus import QueueGone
from gateway.client import Client
from gateway.delivery import Delivery
from gateway.events import LAST, Accepted, Alive, Done, Event, Failed, GoingAway, Moved, Notice
from gateway.ingest import Ingest
from gateway.mailbox import Batch, Look, Mailbox
from gateway.meter import Meter
from gateway.outlet import Outlet
from gateway.placement import Placement
from gateway.publisher import Publisher
from gateway.services import Services
from gateway.session_records import View
from gateway.session_start import Start
from gateway.sessions_store import Fenced
from gateway.stopping import stop

_LOOKS_WITHOUT_TRACE: Final = 3
"""So often Redis may not know a session before it counts as lost."""
_WATCH_SECONDS: Final = 0.25
_WARNINGS: Final = {
    "incomplete_sample": "The stream ended inside a sample; the incomplete sample was dropped.",
    "truncated": "The container ended too early or was damaged; what was there is transcribed.",
}


class Session:
    """Owned by the registry, which runs :meth:`run`; used by one connection."""

    def __init__(self, start: Start, services: Services, outlet: Outlet) -> None:
        self.id = start.id
        self.model = start.model
        self.gateway_epoch = start.gateway_epoch
        self.mailbox = Mailbox()
        self.delivery = Delivery(start.next_segment)
        self._services = services
        self._settings = services.settings
        self._resume_seconds = start.resume_seconds
        self._buffer = AudioBuffer(start.accepted, start.frame)
        self._ingest = Ingest(start.source, start.accepted, self._buffer, services.decoders)
        self._meter = Meter(start.id, services.metrics)
        self._client = Client(start, outlet, self._ingest, self._buffer, self._meter)
        self._publisher = Publisher(start, self._buffer, self.mailbox, services)
        self._placement = Placement(start, services)
        self._over = asyncio.Event()
        self._owned = True
        self._traceless = 0
        self._log = log.get(__name__).bind(session=start.id)

    # What the connection calls.

    async def feed(self, data: bytes) -> None:
        """Audio of the client; waits while the session has enough of it.

        Raises:
            AudioAfterEnd: after :meth:`end`.
            BadAudio: not audio of the declared format.
        """
        if data and not self._over.is_set() and not self._publisher.limit_reached:
            await self._client.feed(data)

    async def end(self) -> None:
        """No more audio comes; again is harmless.

        Raises:
            BadAudio: what came is no audio.
        """
        for code in await self._client.end():
            self.mailbox.event(Notice(code, _WARNINGS[code]))

    async def cancel(self) -> None:
        """Stop now; the outcome is told like any other.

        Raises:
            BackendDown: Redis does not answer; try again.
        """
        await self._fail(Cancelled())

    def give_up(self) -> None:
        """The client made a mistake and is being told: what was accepted is transcribed."""
        self._client.give_up()

    def detach(self) -> None:
        """The connection is gone; the client may come back."""
        self._client.detach()

    # What the registry and the reconciler call.

    async def run(self) -> None:
        """Live until this gateway has nothing more to do with the session."""
        work = [
            asyncio.create_task(self._guarded(name, part()), name=f"{name} {self.id}")
            for name, part in {
                "publish": self._publisher.run,
                "deliver": self._deliver,
                "allocate": self._placement.ask,
                "watch": self._watch,
            }.items()
        ]
        try:
            await self._over.wait()
        finally:
            await stop(work)
            self._ingest.close()
            self._buffer.close()
            self._client.close()
            await self._release()

    def greeted(self) -> None:
        """The client knows of its session: from now on it is told what happens."""
        self._client.greeted()

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
            self._placement.note(SessionState(found.state))
            self._publisher.note_committed(found.committed)
        self.mailbox.look(look)

    def supersede(self) -> None:
        """A newer connection has the session: tell the client of this one, touch nothing else."""
        self._owned = False
        self._close(Failed(SessionSuperseded.code, SessionSuperseded.hint))

    def abandon(self, error: AsrError) -> None:
        """This gateway can do no more for it. What was accepted is safe: the client may come back,
        here or elsewhere; if it does not, the worker ends the session by its idle limit.
        """
        self._log.warning("a session is given up here", reason=str(error))
        self._owned = False
        self._close(Failed(error.code, str(error)))

    @property
    def confirmed(self) -> int:
        """Samples that the broker has confirmed; ``accepted`` in Redis follows."""
        return self._publisher.confirmed

    @property
    def urgent(self) -> bool:
        """Whether Redis should be asked about this session soon."""
        return self.delivery.wants_look or self._publisher.ended is not None

    @property
    def connected(self) -> bool:
        """Whether a client is there."""
        return self._client.connected

    @property
    def resume_seconds(self) -> float:
        """How long it is kept for a client whose connection breaks."""
        return self._resume_seconds

    @property
    def resumable(self) -> bool:
        """Whether its client can come back elsewhere."""
        return self._resume_seconds > 0

    def going_away(self) -> None:
        """Tell the client that this gateway will stop."""
        self.mailbox.event(GoingAway(self._settings.going_away_ms))

    def hand_over(self) -> None:
        """Stop here and leave the session as it is, for the next gateway."""
        self._owned = False
        self._close(Moved())

    # The tasks.

    async def _deliver(self) -> None:
        try:
            await self._tell_all()
        except Exception:
            # Nobody else tells the client anything: this has to be the end.
            self._log.exception("a session's delivery broke")
            await self._try_to_fail(AsrError())
            await self._tell(Failed(AsrError.code, AsrError.hint))
        finally:
            self._over.set()

    async def _tell_all(self) -> None:
        await self._client.until_greeted()
        while True:
            batch = await self.mailbox.take()
            for event in self._events(batch):
                await self._tell(event)
                if isinstance(event, LAST):
                    return  # whatever else came with it

    def _events(self, batch: Batch) -> list[Event]:
        events: list[Event] = []
        if batch.accepted is not None:
            covered = self._ingest.bytes_of(batch.accepted)
            events.append(Accepted(covered, round(seconds(batch.accepted), 3)))
        last = [event for event in batch.events if isinstance(event, LAST)]
        events += [event for event in batch.events if not isinstance(event, LAST)]
        for message in batch.messages:
            if message.worker:
                self._placement.note(SessionState.STREAMING)
            events += self.delivery.message(message)
        if batch.look is not None:
            events += self.delivery.look(batch.look.found, batch.look.segments)
        return events + last

    async def _tell(self, event: Event) -> None:
        self._meter.telling(event)
        if isinstance(event, Done) and self._publisher.limit_reached:
            event = Done(event.segments, event.duration, "limit")
        await self._client.tell(event)
        if isinstance(event, LAST):
            self._meter.ended(event)

    async def _watch(self) -> None:
        loop, idle = asyncio.get_running_loop(), self._settings.idle_seconds
        sign_due = loop.time()
        while True:
            await asyncio.sleep(_WATCH_SECONDS)
            now = loop.time()
            if now >= sign_due and self._client.connected:
                sign_due = now + self._settings.alive_seconds
                self.mailbox.event(Alive())
            self._client.end_absence(now)
            if self._client.silent(now, idle):
                self._log.info("the client sends nothing, ending", limit=idle)
                self._meter.dismissed(IdleTimeout.code)
                await self._client.dismiss(IdleTimeout())
            if (fault := self._placement.overdue(now)) is not None:
                await self._try_to_fail(fault, only_waiting=True)
            if self._publisher.overdue(now):
                await self._try_to_fail(StreamFailed("The last results did not come in time."))

    async def _guarded(self, name: str, part: Coroutine[Any, Any, None]) -> None:
        try:
            await part
        except BackendDown as error:
            self.abandon(error)
        except Fenced as fenced:
            # Gone: it has ended, by its worker's limits or an operator; a look brings how.
            if not fenced.gone:
                self.supersede()
        except QueueGone:
            await self._fail_finally(StreamFailed("The session's queue was deleted."))
        except AsrError as error:
            await self._fail_finally(error)
        except Exception:
            self._log.exception("a session's task broke", part=name)
            await self._fail_finally(AsrError())

    # Endings.

    async def _fail(self, error: AsrError, *, only_waiting: bool = False) -> bool:
        """End the session in Redis; the outcome comes back by a look, like every other. False if
        it has ended by other means, or is not ours to end.
        """
        done = await self._services.store.fail(
            self.id,
            self.gateway_epoch,
            self.model,
            (error.code, str(error)),
            only_waiting=only_waiting,
        )
        self.delivery.wants_look = True
        return done

    async def _try_to_fail(self, error: AsrError, *, only_waiting: bool = False) -> None:
        try:
            await self._fail(error, only_waiting=only_waiting)
        except BackendDown as down:
            self._log.warning("a limit passed while Redis is away", reason=str(down))

    async def _fail_finally(self, error: AsrError) -> None:
        try:
            done = await self._fail(error)
        except AsrError:
            self._owned = False
            done = True
        # If not, it has ended before, or is another's: whatever is wrong here is no news then (an
        # allocator that does not know the session any more, a queue that is gone), and the look
        # tells what happened.
        if done:
            self._close(Failed(error.code, str(error)))

    def _close(self, event: Event) -> None:
        self.mailbox.event(event)

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
