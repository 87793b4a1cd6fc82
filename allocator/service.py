"""The gRPC service: each call is one or two scripts, and what follows from their answer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from typing import Any, TypeVar

import grpc

from allocator import metrics
from allocator.attach import Attached
from allocator.listing import list_models, list_sessions, list_workers
from allocator.models import Models
from allocator.moves import Moves
from allocator.offer import Held, Offer, Waiting
from allocator.refusal import refuse
from allocator.scaling.journal import explain
from allocator.store import Superseded, UnknownWorker
from asr_tasks import log
from asr_tasks.contracts import names
from asr_tasks.contracts.errors import (
    STATUS,
    AsrError,
    BadParameter,
    BadSessionId,
    SessionSuperseded,
    error_for,
)
from asr_tasks.rpc import worker_manager_pb2 as pb
from asr_tasks.rpc.worker_manager_pb2_grpc import WorkerManagerServiceServicer

_log = log.get("asr.allocator")
_Context = grpc.aio.ServicerContext[Any, Any]
_Answer = TypeVar("_Answer")

UNARY_STREAM = "unary"
"""Stream and incarnation of a worker that only sends SendHeartbeat."""


class WorkerManager(WorkerManagerServiceServicer):
    """Stateless but for the streams it holds: any number of replicas serve side by side."""

    def __init__(self, moves: Moves, models: Models) -> None:
        self._moves = moves
        self._store = moves.store
        self._models = models
        self._stopping = False
        self._after: set[asyncio.Task[None]] = set()

    def stop(self) -> None:
        """From now on, streams that break do so because this server stops."""
        self._stopping = True

    async def settle(self) -> None:
        """Wait for what follows from streams that have broken."""
        await asyncio.gather(*self._after)

    async def ExplainScaling(
        self, request: pb.ExplainScalingRequest, context: _Context
    ) -> pb.ExplainScalingResponse:
        """See worker_manager.proto."""
        return await _answer(context, lambda: explain(self._store, request.model_name))

    async def AllocateWorker(
        self, request: pb.AllocateWorkerRequest, context: _Context
    ) -> pb.AllocateWorkerResponse:
        begin = time.perf_counter()
        try:
            session = _session_of(request.task_queue)
            await self._models.check(request.model_name)
            answer = await self._moves.allocate(session, request.model_name)
        except AsrError as error:
            metrics.ALLOCATIONS.labels(error.code).inc()
            await refuse(context, error)
        metrics.ALLOCATE_SECONDS.observe(time.perf_counter() - begin)
        metrics.ALLOCATIONS.labels(type(answer).__name__.lower()).inc()
        match answer:
            case Offer(worker=worker, epoch=epoch) | Held(worker=worker, epoch=epoch):
                return pb.AllocateWorkerResponse(
                    success=True,
                    worker_name=worker,
                    message=f"assigned to {worker}",
                    state=pb.ASSIGNED,
                    epoch=epoch,
                )
            case Waiting(place=place):
                return pb.AllocateWorkerResponse(
                    success=True,
                    message=f"no free slot; place {place} in the queue",
                    state=pb.WAITING,
                    position=place,
                )

    async def SendHeartbeat(
        self, request: pb.SendHeartbeatRequest, context: _Context
    ) -> pb.SendHeartbeatResponse:
        worker, model = request.worker_name, request.model_name

        async def beat() -> pb.SendHeartbeatResponse:
            if not worker or not model:
                raise BadParameter("a heartbeat needs `worker_name` and `model_name`")
            record = await self._store.read("HGET", names.worker_key(worker), "stream")
            if request.final:
                lost = await self._store.declare_gone(worker, "stream", record or "")
                await self._moves.fail_over(lost or (), "left")
                await self._store.forget(worker)
                return pb.SendHeartbeatResponse(success=True, message="left")
            try:
                await self._store.touch(worker, only=record == UNARY_STREAM)
            except UnknownWorker:
                await self._store.register(worker, model, UNARY_STREAM, UNARY_STREAM, 1, "")
                await self._store.touch(worker, only=True)
                await self._moves.serve(model)
            return pb.SendHeartbeatResponse(success=True, message="accepted")

        return await _answer(context, beat)

    async def Attach(
        self, request_iterator: AsyncIterator[pb.WorkerReport], context: _Context
    ) -> AsyncIterator[pb.WorkerCommand]:
        attached = Attached(self._moves)
        ended_by_us = False
        metrics.ATTACHED.inc()
        try:
            async for command in attached.commands(request_iterator):
                yield command
        except Superseded:
            ended_by_us = True
            await refuse(context, SessionSuperseded("a newer stream speaks for this worker"))
        except AsrError as error:
            ended_by_us = True
            await refuse(context, error)
        finally:
            metrics.ATTACHED.dec()
            # When it is this server that stops, or Redis that is away, the worker is well and
            # comes back by itself; if it does not, its beat stands still. Otherwise it may be
            # dead. This coroutine may be being cancelled: what follows must outlive it.
            if not self._stopping and not ended_by_us:
                self._later(self._broke(attached))

    async def ReleaseSession(
        self, request: pb.ReleaseSessionRequest, context: _Context
    ) -> pb.ReleaseSessionResponse:
        async def release() -> pb.ReleaseSessionResponse:
            if not names.is_session_id(request.session):
                raise BadSessionId
            code = request.code or "cancelled"
            if code not in STATUS:
                raise BadParameter(f"no such code: {code!r}")
            ended = await self._store.cancel(
                request.session,
                code,
                request.message or error_for(code, "").args[0],
                gateway_epoch=request.gateway_epoch,
            )
            if ended:
                _log.info("session released", session=request.session, code=code)
            return pb.ReleaseSessionResponse(
                success=ended, message="ended" if ended else "no such live session"
            )

        return await _answer(context, release)

    async def DrainWorker(
        self, request: pb.DrainWorkerRequest, context: _Context
    ) -> pb.DrainWorkerResponse:
        async def drain() -> pb.DrainWorkerResponse:
            try:
                sessions = await self._store.drain(request.worker_name)
            except UnknownWorker:
                return pb.DrainWorkerResponse(success=False, message="no such worker")
            _log.info("worker drains", worker=request.worker_name, sessions=sessions)
            return pb.DrainWorkerResponse(
                success=True, message=f"{sessions} sessions to hand over", sessions=sessions
            )

        return await _answer(context, drain)

    async def ListWorkers(
        self, request: pb.ListWorkersRequest, context: _Context
    ) -> pb.ListWorkersResponse:
        return await _answer(context, lambda: list_workers(self._store, request.model_name))

    async def ListSessions(
        self, request: pb.ListSessionsRequest, context: _Context
    ) -> pb.ListSessionsResponse:
        return await _answer(context, lambda: list_sessions(self._store, request.model_name))

    async def ListModels(
        self, request: pb.ListModelsRequest, context: _Context
    ) -> pb.ListModelsResponse:
        return await _answer(context, lambda: list_models(self._store))

    async def _broke(self, attached: Attached) -> None:
        try:
            await attached.broke()
        except AsrError as error:
            # Then the beat stands still as well, and the monitor finds it by that.
            _log.warning("suspicion not recorded", worker=attached.worker, error=str(error))

    def _later(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._after.add(task)
        task.add_done_callback(self._after.discard)


async def _answer(context: _Context, work: Callable[[], Awaitable[_Answer]]) -> _Answer:
    try:
        return await work()
    except AsrError as error:
        await refuse(context, error)


def _session_of(queue: str) -> str:
    try:
        return names.session_of(queue)
    except ValueError:
        raise BadSessionId(f"`task_queue` must be task.<uuid>, not {queue[:80]!r}") from None
