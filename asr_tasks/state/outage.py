"""Which of Redis's failures pass by themselves, and which are bugs that no retry mends.

https://redis.io/docs/latest/develop/reference/protocol-spec/#simple-errors: the first word of an
error is its kind. redis-py has classes for some kinds and takes the word away; the others arrive
as ResponseError with the whole text.
"""

from __future__ import annotations

import re
from typing import Final

from redis.exceptions import (
    AskError,
    ClusterDownError,
    DataError,
    NoScriptError,
    OutOfMemoryError,
    ReadOnlyError,
    ResponseError,
    TryAgainError,
)

from asr_tasks import log
from asr_tasks.contracts.errors import AsrError, BackendDown

_PASSING: Final = (
    AskError,  # and MovedError: a slot is on its way to another node
    ClusterDownError,  # and MasterDownError
    NoScriptError,  # flushed between its load and its call
    OutOfMemoryError,
    ReadOnlyError,
    TryAgainError,
)
_KINDS: Final = (
    "BUSY|CLUSTERDOWN|LOADING|MASTERDOWN|MISCONF|NOREPLICAS|OOM|READONLY|TRYAGAIN|UNKILLABLE"
)
# Redis 6 quotes the error of a command in a script: "Error running script (…): …:12: -OOM …".
_PASSING_TEXT: Final = re.compile(rf"^-?(?:{_KINDS})\b|: -(?:{_KINDS})\b")

_log = log.get("asr.redis")


def is_outage(error: Exception) -> bool:
    """Whether it may pass: Redis is away, loading, busy, full or may not write.

    The alternative is that what was sent is wrong (a bug in a script, a key of another type, a
    command that this user may not give), and will be wrong the next time.
    """
    if isinstance(error, DataError):
        return False
    if not isinstance(error, ResponseError) or isinstance(error, _PASSING):
        return True
    return _PASSING_TEXT.search(str(error)) is not None


def failure(error: Exception, doing: str) -> AsrError:
    """What to raise for it: BackendDown, or an internal error, logged here with its cause."""
    if is_outage(error):
        return BackendDown(f"redis: {doing}: {error}")
    _log.error("redis refuses a command", doing=doing, exc_info=error)
    return AsrError()
