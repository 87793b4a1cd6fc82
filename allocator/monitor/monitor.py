"""Runs the stages while this process leads."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Coroutine
from typing import Any

from allocator import metrics
from allocator.dispatcher import Dispatcher
from allocator.leader import Elector
from allocator.monitor import gauges, suspects
from allocator.monitor.beats import Beats
from allocator.monitor.channel import listen
from allocator.monitor.claims import Claims
from allocator.monitor.orphans import Orphans
from allocator.monitor.waiting import WaitingSessions
from allocator.moves import Moves
from allocator.offer import Surveyed
from allocator.scaling.loop import ScalingLoop
from allocator.settings import MonitorSettings
from allocator.store import NotLeader, Office, Store
from asr_tasks import log
from asr_tasks.contracts.errors import BackendDown
from asr_tasks.contracts.names import SUSPECTS_CHANNEL

_log = log.get("asr.monitor")

ROLE = "monitor"

CANCEL_SECONDS = 1.0
"""Between two cancellations of a part that does not heed them."""

CLOSE_SECONDS = 10.0
"""Longest wait for the end of what is being done: a few commands' timeouts."""


class _Stages:
    """The stages of one term; a new term begins with new clocks."""

    def __init__(self, settings: MonitorSettings, moves: Moves, office: Office) -> None:
        self.office = office
        self.beats = Beats(moves, settings.silence_seconds, settings.grace_seconds)
        self.claims = Claims(moves, settings.ready_seconds)
        self.orphans = Orphans(moves, settings.silence_seconds)
        self.waiting = WaitingSessions(moves, settings.wait_seconds, settings.rewait_seconds)


class Monitor:
    """One monitor process, or the embedded stack's. Belongs to one asyncio loop."""

    def __init__(
        self,
        settings: MonitorSettings,
        store: Store,
        dispatcher: Dispatcher,
        scaling: ScalingLoop | None = None,
    ) -> None:
        """Args:
        settings: of the monitor.
        store: where everything is.
        dispatcher: sends a session's task to its worker.
        scaling: keeps the number of workers right; None: nobody does.
        """
        self._scaling = scaling
        self._settings = settings
        self._store = store
        self._moves = Moves(store, dispatcher)
        self._elector = Elector(store, ROLE, settings.allocator_name, settings.leader_seconds)
        self._stages: _Stages | None = None
        self._run: asyncio.Task[None] | None = None
        self._parts: list[asyncio.Task[None]] = []
        self._away = False

    @property
    def leads(self) -> bool:
        """Whether this one acts, right now."""
        return self._elector.office is not None

    async def run(self) -> None:
        """Stand for election and act while elected, until :meth:`close` or cancelled."""
        self._run = asyncio.current_task()
        try:
            async with asyncio.TaskGroup() as group:
                self._parts = [
                    group.create_task(self._elector.run(), name="monitor-elector"),
                    group.create_task(self._listen(), name="monitor-channel"),
                    group.create_task(self._look_always(), name="monitor-look"),
                    group.create_task(self._scale_always(), name="monitor-scaling"),
                ]
        finally:
            metrics.LEADER.set(0)
            gauges.clear()
            self._run = None

    async def close(self) -> None:
        """End :meth:`run`, which resigns; returns when it has."""
        run = self._run
        if run is not None and run is not asyncio.current_task():
            deadline = time.monotonic() + CLOSE_SECONDS
            while not run.done() and time.monotonic() < deadline:
                # Again and again, and the parts themselves: a library that swallows a cancellation
                # leaves its task running, and a TaskGroup cancels its tasks only once.
                for task in (run, *self._parts):
                    task.cancel()
                await asyncio.wait({run}, timeout=CANCEL_SECONDS)
            if not run.done():
                _log.error("monitor did not end", seconds=CLOSE_SECONDS)

    async def look(self) -> None:
        """One round of all stages, if this one leads.

        Raises:
            BackendDown: Redis does not answer; nothing is judged by what was not seen.
            NotLeader: another was elected meanwhile.
        """
        stages = self._current()
        metrics.LEADER.set(0 if stages is None else 1)
        if stages is None:
            gauges.clear()
            return
        workers = await self._store.workers()
        await stages.beats.look(workers, time.monotonic(), stages.office)
        sessions: list[Surveyed] = []
        async for batch in self._store.sessions():
            sessions += await self._store.survey(batch)
        now = time.monotonic()
        await stages.claims.look(sessions, now, stages.office)
        await stages.orphans.look(sessions, now, stages.office)
        await stages.waiting.look(sessions, now, stages.office)
        await gauges.show(self._store, workers, sessions)

    def _current(self) -> _Stages | None:
        office = self._elector.office
        if office is None:
            self._stages = None
        elif self._stages is None or self._stages.office != office:
            self._stages = _Stages(self._settings, self._moves, office)
        return self._stages

    async def _look_always(self) -> None:
        while True:
            await self._attempt(self.look())
            # Not wait_for: Python 3.11's returns, and so swallows a cancellation, when the event
            # is set at the same moment, which is what a resigning elector does.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._settings.look_seconds):
                    await self._elector.changed.wait()
            self._elector.changed.clear()

    async def _scale_always(self) -> None:
        # Beside the looks: an API server that hangs must not keep a dead worker's sessions waiting.
        scaling = self._scaling
        while scaling is not None:
            office = self._elector.office
            if office is not None:
                await self._attempt(scaling.look(office))
            await asyncio.sleep(scaling.pause())

    async def _listen(self) -> None:
        async with asyncio.TaskGroup() as group:
            async for channel, text in listen(self._store):
                stages = self._current()
                if stages is None:
                    continue
                # At once, and beside each other: two workers may die together.
                if channel == SUSPECTS_CHANNEL:
                    grace = self._settings.grace_seconds
                    work = suspects.judge(self._moves, text, grace, stages.office)
                else:
                    work = stages.waiting.serve([text], stages.office)
                group.create_task(self._attempt(work))

    async def _attempt(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
            self._away = False
        except NotLeader:
            _log.warning("no longer the leader")
        except BackendDown as error:
            if not self._away:
                _log.warning("redis does not answer", error=str(error))
            self._away = True
        except Exception:
            # One look that fails must not end the watch; the next one starts from what is there.
            _log.exception("look failed")
