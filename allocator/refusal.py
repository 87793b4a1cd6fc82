"""Errors as gRPC statuses, with the stable code in the trailing metadata."""

from __future__ import annotations

from typing import Any, Final, NoReturn

import grpc

from asr_tasks.contracts.errors import AsrError, status_of

CODE_KEY: Final = "asr-code"
"""Trailing metadata that carries a code of :mod:`asr_tasks.contracts.errors`."""


async def refuse(context: grpc.aio.ServicerContext[Any, Any], error: AsrError) -> NoReturn:
    """End the call with the error's status.

    Raises:
        grpc.aio.AbortError: always.
    """
    status = grpc.StatusCode[status_of(error.code).grpc]
    await context.abort(status, str(error), ((CODE_KEY, error.code),))
    raise AssertionError("abort returned")
