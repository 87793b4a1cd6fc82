"""The gateway's regular business with Redis, for all its sessions at once.

Results come by the broker; what is missed there is found here. Three loops, none with a round trip
for each session: *accept* notes what the broker has confirmed, *look* reads how the sessions stand,
*beat* says that this gateway is alive.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable

from asr_tasks import log
from asr_tasks.contracts.errors import AsrError, BackendDown
from gateway.mailbox import Look
from gateway.session import Session
from gateway.sessions_store import Fenced, SessionsStore
from gateway.settings import GatewaySettings
from gateway.stopping import stop

_LATER_SECONDS = 0.5
_BEAT_SECONDS = 3.0

_log = log.get(__name__)


class Reconciler:
    """One per gateway."""

    def __init__(
        self,
        store: SessionsStore,
        settings: GatewaySettings,
        sessions: Callable[[], Iterable[Session]],
    ) -> None:
        self._store = store
        self._settings = settings
        self._sessions = sessions
        self._noted: dict[Session, int] = {}
        self._looked: dict[Session, float] = {}
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin the three loops."""
        loops = {"accept": self._accepting, "look": self._looking, "beat": self._beating}
        self._tasks = [asyncio.create_task(loop(), name=name) for name, loop in loops.items()]

    async def close(self) -> None:
        """End them."""
        await stop(self._tasks)

    async def accept(self) -> None:
        """Note the confirmed positions that Redis does not have yet, then tell the clients."""
        live = set(self._sessions())
        self._noted = {session: at for session, at in self._noted.items() if session in live}
        due = [
            (session, session.confirmed)
            for session in live
            if session.confirmed > self._noted.get(session, 0)
        ]
        if not due:
            return
        replies = await self._store.accept(
            [(session.id, session.gateway_epoch, at) for session, at in due]
        )
        for (session, at), reply in zip(due, replies, strict=True):
            if isinstance(reply, BackendDown):
                continue
            self._noted[session] = at
            if isinstance(reply, AsrError):
                session.abandon(reply)
            elif reply is None:
                session.note_accepted(at)
            elif isinstance(reply, Fenced) and not reply.gone:
                session.supersede()

    async def look(self, now: float) -> None:
        """Read the sessions that are due at ``now`` (monotonic)."""
        live = list(self._sessions())
        self._looked = {session: self._looked.get(session, 0.0) for session in live}
        due = [
            session
            for session in live
            if session.urgent or now - self._looked[session] >= self._settings.poll_seconds
        ]
        if not due:
            return
        found = await self._store.look(
            [(session.id, session.model, session.delivery.next_segment) for session in due]
        )
        for session, (stand, segments) in zip(due, found, strict=True):
            self._looked[session] = now
            session.note_look(Look(stand, segments))

    async def _accepting(self) -> None:
        while True:
            later = await self._quietly(self.accept)
            await asyncio.sleep(later or self._settings.accept_seconds)

    async def _looking(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            later = await self._quietly(lambda: self.look(loop.time()))
            await asyncio.sleep(later or self._settings.poll_soon_seconds)

    async def _beating(self) -> None:
        while True:
            later = await self._quietly(self._store.beat)
            await asyncio.sleep(later or _BEAT_SECONDS)

    @staticmethod
    async def _quietly(act: Callable[[], Awaitable[None]]) -> float:
        """Do it; 0, or the seconds to wait because it failed. Audio and partials go on."""
        try:
            await act()
        except BackendDown as error:
            _log.warning("Redis is away", reason=str(error))
        except Exception:
            # What fails for one session must not end the business of all others.
            _log.exception("the regular business broke")
        else:
            return 0.0
        return _LATER_SECONDS
