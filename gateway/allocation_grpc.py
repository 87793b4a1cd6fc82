"""Asking the allocators over gRPC: any of them will do, a dead one costs one short try."""

from __future__ import annotations

import asyncio
import random
from typing import Final

import grpc
import grpc.aio
from grpc_health.v1 import health_pb2, health_pb2_grpc

from asr_tasks.contracts import names
from asr_tasks.contracts.errors import BackendDown, NoWorker, error_for
from asr_tasks.rpc import worker_manager_pb2 as pb
from asr_tasks.rpc import worker_manager_pb2_grpc as rpc
from gateway.allocation import Allocation

CALL_SECONDS: Final = 3.0
"""One call to one allocator."""
READY_SECONDS: Final = 1.0

_TRANSIENT: Final = {
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.INTERNAL,
    grpc.StatusCode.UNKNOWN,
    grpc.StatusCode.CANCELLED,
}
_OPTIONS: Final = [
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 3_000),
]


class GrpcAllocator:
    """Implements :class:`gateway.allocation.Allocator`."""

    def __init__(self, addresses: str) -> None:
        """``addresses``: one or several ``host:port``, separated by commas."""
        targets = [part.strip() for part in addresses.split(",") if part.strip()]
        self._channels = [grpc.aio.insecure_channel(t, options=_OPTIONS) for t in targets]

    async def allocate(self, session: str, model: str) -> Allocation:
        request = pb.AllocateWorkerRequest(model_name=model, task_queue=names.task_queue(session))
        problem = "no address of an allocator is configured"
        for channel in self._shuffled():
            try:
                answer = await rpc.WorkerManagerServiceStub(channel).AllocateWorker(
                    request, timeout=CALL_SECONDS
                )
            except grpc.aio.AioRpcError as error:
                code = _code_of(error)
                if code and code != BackendDown.code:
                    raise error_for(code, error.details() or "") from error
                if not code and error.code() not in _TRANSIENT:
                    raise BackendDown(f"allocator: {error.details()}") from error
                problem = f"{error.code().name}: {error.details()}"
            else:
                return _allocation(answer)
        raise BackendDown(f"no allocator answers: {problem}")

    async def ready(self) -> bool:
        request = health_pb2.HealthCheckRequest()
        for channel in self._shuffled():
            try:
                answer = await health_pb2_grpc.HealthStub(channel).Check(
                    request, timeout=READY_SECONDS
                )
            except grpc.aio.AioRpcError:
                continue
            if answer.status == health_pb2.HealthCheckResponse.SERVING:
                return True
        return False

    async def close(self) -> None:
        await asyncio.gather(*(channel.close() for channel in self._channels))

    def _shuffled(self) -> list[grpc.aio.Channel]:
        return random.sample(self._channels, len(self._channels))


def _allocation(answer: pb.AllocateWorkerResponse) -> Allocation:
    if not answer.success:
        raise error_for(answer.code or NoWorker.code, answer.message)
    return Allocation(answer.worker_name, int(answer.position))


def _code_of(error: grpc.aio.AioRpcError) -> str:
    for key, value in error.trailing_metadata() or ():
        if key == "asr-code":
            return value if isinstance(value, str) else bytes(value).decode()
    return ""
