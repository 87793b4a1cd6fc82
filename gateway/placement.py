"""Whether a worker has one session, and how long it has been waiting for one."""

from __future__ import annotations

import asyncio

from asr_tasks.contracts.errors import AsrError, BackendDown, NoWorker
from asr_tasks.contracts.states import SessionState
from gateway.backoff import delays
from gateway.services import Services
from gateway.session_start import Start


class Placement:
    """One per session, which runs :meth:`ask` as a task of its own."""

    def __init__(self, start: Start, services: Services) -> None:
        self._id = start.id
        self._model = start.model
        self._allocator = services.allocator
        self._settings = services.settings
        self._ever_assigned = start.assigned
        self._state = SessionState.WAITING
        self._fault: AsrError | None = None
        self._loop = asyncio.get_running_loop()
        self._waiting_since = self._loop.time()

    async def ask(self) -> None:
        """Ask for a worker until there is an answer.

        Raises:
            AsrError: the allocator refuses the session.
        """
        if self._ever_assigned:
            return  # failover is the monitor's
        for delay in delays(0.05, 2.0):
            try:
                await self._allocator.allocate(self._id, self._model)
            except BackendDown as error:
                self._fault = error  # told if nothing better is known when the wait is over
                await asyncio.sleep(delay)
            else:
                self._fault = None
                return

    def note(self, state: SessionState) -> None:
        """Where the session is, by Redis or by a message of its worker."""
        if state is SessionState.WAITING and self._state is not SessionState.WAITING:
            self._waiting_since = self._loop.time()
        self._ever_assigned |= state is not SessionState.WAITING
        self._state = state

    def overdue(self, now: float) -> AsrError | None:
        """Why the session should fail: it has waited for too long. Once per limit, else None."""
        if self._state is not SessionState.WAITING:
            return None
        settings = self._settings
        limit = settings.rewait_seconds if self._ever_assigned else settings.wait_seconds
        if now - self._waiting_since <= limit:
            return None
        self._waiting_since = now
        return self._fault or NoWorker()
