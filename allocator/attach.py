"""The long-lived stream of one worker: reports in, commands out.

A command is never stored or sent between replicas: it is derived from what Redis says each time
the worker reports, at the latest 0.5 s after the cause, by whichever replica holds the stream. So
there is none to lose when an allocator dies.
"""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterable, AsyncIterator

from allocator.moves import Moves
from allocator.offer import Reconciled
from allocator.store import UnknownWorker
from asr_tasks import log
from asr_tasks.contracts.errors import BadParameter
from asr_tasks.rpc import worker_manager_pb2 as pb

_log = log.get("asr.allocator")

_STATES = {
    pb.STARTING: "starting",
    pb.READY: "ready",
    pb.DRAINING: "draining",
    pb.LEFT: "draining",
}
_REASONS = {"cancelled": pb.CANCELLED, "stale": pb.STALE}

MAX_SLOTS = 10_000


class Attached:
    """One worker's stream at this replica."""

    def __init__(self, moves: Moves) -> None:
        self._moves = moves
        self._store = moves.store
        self._stream = uuid.uuid4().hex
        self.worker = ""
        self._left = False

    async def commands(
        self, reports: AsyncIterable[pb.WorkerReport]
    ) -> AsyncIterator[pb.WorkerCommand]:
        """Take reports until the stream ends; answer each.

        Raises:
            BadParameter: a report that names no worker, model or incarnation.
            Superseded: a newer stream speaks for this worker.
            BackendDown: Redis does not answer; the worker comes back on a new stream.
        """
        async for report in reports:
            if not self.worker:
                _check(report)
                await self._register(report)
            reconciled = await self._take(report)
            if reconciled is not None:
                for cancel in reconciled.cancel:
                    yield pb.WorkerCommand(
                        cancel=pb.Cancel(
                            session=cancel.session,
                            epoch=cancel.epoch,
                            reason=_REASONS[cancel.reason],
                        )
                    )
                if reconciled.drain and report.state == pb.READY:
                    yield pb.WorkerCommand(drain=pb.Drain())
            yield pb.WorkerCommand(accepted=pb.Accepted(sequence=report.sequence))
            if reconciled is not None:
                # After the answer: the worker need not wait for what others get to do.
                await self._moves.fail_over(reconciled.lost, "left")
                if reconciled.serve:
                    await self._moves.serve(reconciled.model)
            if report.state == pb.LEFT:
                await self._leave()
                return

    async def broke(self) -> None:
        """The stream ended from the worker's side; unless it had left, it is now suspect."""
        if self.worker and not self._left and await self._store.suspect(self.worker, self._stream):
            _log.warning("worker's stream broke", worker=self.worker)

    async def _register(self, report: pb.WorkerReport) -> None:
        lost = await self._store.register(
            report.worker_name,
            report.model_name,
            report.incarnation,
            self._stream,
            report.slots,
            report.host,
        )
        self.worker = report.worker_name
        _log.info(
            "worker attached",
            worker=self.worker,
            model=report.model_name,
            slots=report.slots,
            running=len(report.running),
        )
        await self._moves.fail_over(lost, "restarted")

    async def _take(self, report: pb.WorkerReport) -> Reconciled | None:
        running = [(assignment.session, assignment.epoch) for assignment in report.running]
        state = _STATES.get(report.state, "starting")

        async def heartbeat() -> Reconciled | None:
            return await self._store.heartbeat(
                report.worker_name,
                report.incarnation,
                self._stream,
                report.sequence,
                state,
                running,
            )

        try:
            return await heartbeat()
        except UnknownWorker:
            # Declared gone while it hung, or Redis came back empty: this report says it all again.
            await self._register(report)
            return await heartbeat()

    async def _leave(self) -> None:
        lost = await self._store.declare_gone(self.worker, "stream", self._stream)
        if lost is None:
            return
        self._left = True
        await self._moves.fail_over(lost, "left")
        await self._store.forget(self.worker)
        _log.info("worker left", worker=self.worker)


def _check(report: pb.WorkerReport) -> None:
    for field in ("worker_name", "model_name", "incarnation"):
        if not getattr(report, field):
            raise BadParameter(f"the first report of a stream needs `{field}`")
    if not 1 <= report.slots <= MAX_SLOTS:
        raise BadParameter(f"`slots` must be between 1 and {MAX_SLOTS}")
