"""The allocators, as the command line calls them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar

import click
import grpc

from asr_tasks.contracts.errors import BackendDown
from asr_tasks.rpc.worker_manager_pb2_grpc import WorkerManagerServiceStub
from asr_tasks.settings import Settings

CALL_SECONDS: Final = 3.0

Answer = TypeVar("Answer")

option = click.option(
    "--allocator", default=None, help="host:port of an allocator.  [default: ASR_ALLOCATOR_ADDRESS]"
)
"""The option every command of this kind has; its value may be None."""


def ask(allocator: str | None, call: Callable[[Any, float], Answer]) -> Answer:
    """Ask the allocators, one after the other, until one answers.

    Args:
        allocator: host:port, several with commas; None: what the environment says.
        call: given a stub and the seconds it may take.

    Raises:
        BackendDown: none answers.
    """
    addresses = Settings.load(allocator_address=allocator).allocator_address
    last: grpc.RpcError | None = None
    for address in addresses.split(","):
        with grpc.insecure_channel(address.strip()) as channel:
            try:
                return call(WorkerManagerServiceStub(channel), CALL_SECONDS)
            except grpc.RpcError as error:
                last = error
    assert last is not None
    raise BackendDown(
        f"no allocator answers at {addresses}; `asr up` says its address "
        f"({last.code().name.lower()})"
    ) from last
