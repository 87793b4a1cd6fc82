"""The sessions this gateway holds: opens, resumes, runs and, at its end, hands them over."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

from asr_tasks import log
from asr_tasks.contracts import names
from asr_tasks.contracts.errors import (
    AsrError,
    BadSessionId,
    Overloaded,
)
from gateway.audio.source import Source
from gateway.outlet import Outlet
from gateway.reconcile import Reconciler
from gateway.services import Services
from gateway.session import Session
from gateway.session_records import Opening, Outcome
from gateway.session_start import Start
from gateway.stopping import stop

_log = log.get(__name__)


class Model(Protocol):
    """What the gateway wants to know of a model."""

    @property
    def task(self) -> str:
        """Name of the stream task that serves it; empty: the default one."""
        ...

    @property
    def frame(self) -> int:
        """16 kHz samples its recogniser takes in at a time; 0: whatever comes."""
        ...


class Models(Protocol):
    """Which models there are (the catalogue)."""

    def get(self, name: str) -> Model:
        """The entry of that name.

        Raises:
            UnknownModel: there is none.
            ModelUnavailable: it is not installed.
        """
        ...

    def describe(self) -> list[dict[str, Any]]:
        """Every entry's name, language, description and whether it is available."""
        ...


@dataclass(frozen=True, slots=True)
class Request:
    """What a protocol read from its client's opening."""

    protocol: str
    model: str
    source: Source
    session: str = ""
    language: str = ""
    client: str = ""
    priority: int = 0
    resume_seconds: float = 0.0
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Opened:
    """A session of this gateway, and what its client has to know."""

    session: Session
    token: str
    accepted: int = 0
    ended: bool = False
    source: Source = field(default_factory=Source)


class Registry:
    """One per gateway."""

    def __init__(self, services: Services, models: Models) -> None:
        self._services = services
        self._models = models
        self._sessions: dict[str, Session] = {}
        self._tasks: dict[Session, asyncio.Task[None]] = {}
        self._reconciler = Reconciler(services.store, services.settings, lambda: tuple(self._tasks))
        self.draining = False
        self.processed = 0
        """Sessions that ended here."""

    def start(self) -> None:
        """Begin the regular business."""
        self._reconciler.start()

    def __iter__(self) -> Iterator[Session]:
        return iter(tuple(self._tasks))

    def __len__(self) -> int:
        return len(self._tasks)

    async def open(self, request: Request, outlet: Outlet) -> Opened:
        """A new session; a worker is asked for in the background.

        Raises:
            BadSessionId, UnknownModel, ModelUnavailable, NotYourSession, Overloaded, BackendDown.
        """
        session_id = _checked(request.session) if request.session else names.new_session_id()
        entry = self._models.get(request.model)
        self._check_room()
        options = dict(request.options)
        if request.language:
            options["language"] = request.language
        opening = Opening(
            model=request.model,
            language=request.language,
            client=request.client,
            task=entry.task,
            priority=request.priority,
            source=request.source.to_json(),
            options=options,
            resume_seconds=request.resume_seconds,
        )
        token = await self._services.store.open(session_id, opening)
        start = Start(
            session_id,
            request.model,
            request.source,
            frame=entry.frame,
            resume_seconds=request.resume_seconds,
        )
        try:
            session = await self._begin(start, outlet)
        except BaseException as error:
            # Nobody has its token yet: leave nothing behind.
            await self._discard(session_id, request.model, error)
            raise
        self._count(request.protocol, resumed=False)
        return Opened(session, token, source=request.source)

    async def resume(
        self, protocol: str, session_id: str, token: str, last_segment: int, outlet: Outlet
    ) -> Opened | Outcome:
        """Take a session over for its client, from whatever gateway had it.

        Returns:
            The session, or what is left of it if it has ended.

        Raises:
            BadSessionId, NotYourSession, SessionEnded, Overloaded, BackendDown.
        """
        _checked(session_id)
        self._check_room(returning=session_id)
        reply = await self._services.store.attach(session_id, token)
        if isinstance(reply, Outcome):
            return reply
        attached, new_token = reply
        # crash here: the client did not get its new token; the old one is still good.
        old = self._sessions.get(session_id)
        if old is not None:
            old.supersede()
        source = Source.from_json(attached.source)
        start = Start(
            id=session_id,
            model=attached.model,
            source=source,
            gateway_epoch=attached.gateway_epoch,
            accepted=attached.accepted,
            ended=attached.ended,
            next_segment=last_segment + 1,
            assigned=attached.assigned,
            frame=self._frame(attached.model),
            resume_seconds=attached.resume_seconds,
        )
        session = await self._begin(start, outlet)
        self._count(protocol, resumed=True)
        return Opened(session, new_token, attached.accepted, attached.ended is not None, source)

    def _frame(self, model: str) -> int:
        """Of a session that is resumed; its model may have left the catalogue meanwhile."""
        try:
            return self._models.get(model).frame
        except AsrError:
            return 0

    async def drain(self) -> None:
        """Take nothing new, ask clients to go elsewhere, wait for those that cannot, stop."""
        self.draining = True
        settings = self._services.settings
        for session in self._tasks:
            if session.resumable and session.connected:
                session.going_away()
        if any(session.resumable for session in self._tasks):
            await asyncio.sleep(settings.going_away_ms / 1000)
        await self._note_accepted()
        for session in self._tasks:
            if session.resumable or not session.connected:
                session.hand_over()
        await self._wait(settings.gateway_drain_seconds)

    async def close(self) -> None:
        """Stop everything; sessions stay in Redis and in the broker for other gateways."""
        self.draining = True
        for session in self._tasks:
            session.hand_over()
        await self._wait(5.0)
        await stop(self._tasks.values())
        await self._reconciler.close()

    async def _begin(self, start: Start, outlet: Outlet) -> Session:
        bus = self._services.bus
        session = Session(start, self._services, outlet)
        await bus.declare(start.id)
        await bus.consume(start.id, session.mailbox.message)
        self._sessions[start.id] = session
        task = asyncio.create_task(session.run(), name=f"session {start.id}")
        self._tasks[session] = task
        task.add_done_callback(lambda done: self._gone(session, done))
        self._services.metrics.sessions.set(len(self._tasks))
        return session

    def count_error(self, error: AsrError) -> None:
        """An error that a client was told without its session."""
        self._services.metrics.errors.labels(error.code).inc()

    def _gone(self, session: Session, task: asyncio.Task[None]) -> None:
        del self._tasks[session]
        if self._sessions.get(session.id) is session:
            del self._sessions[session.id]
        self.processed += 1
        self._services.metrics.sessions.set(len(self._tasks))
        if not task.cancelled() and task.exception() is not None:
            _log.error("a session broke", session=session.id, exc_info=task.exception())

    def _check_room(self, returning: str = "") -> None:
        if self.draining:
            raise Overloaded("this gateway is about to stop; try another")
        if len(self._tasks) >= self._services.settings.max_sessions and (
            returning not in self._sessions
        ):
            raise Overloaded

    def _count(self, protocol: str, *, resumed: bool) -> None:
        self._services.metrics.opened.labels(protocol, str(resumed).lower()).inc()

    async def _discard(self, session: str, model: str, error: BaseException) -> None:
        known = error if isinstance(error, AsrError) else AsrError()
        try:
            await self._services.store.fail(
                session, 1, model, (known.code, str(known)), only_waiting=False
            )
        except AsrError:
            _log.warning("a session that never began is left in Redis", session=session)

    async def _note_accepted(self) -> None:
        try:
            await self._reconciler.accept()
        except AsrError:
            _log.warning("the last audio was not noted as accepted; clients will send it again")

    async def _wait(self, limit: float) -> None:
        if self._tasks:
            await asyncio.wait(list(self._tasks.values()), timeout=limit)


def _checked(session: str) -> str:
    if not names.is_session_id(session):
        raise BadSessionId
    return session
