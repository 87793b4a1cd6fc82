"""Cancellations that a library swallowed, noticed all the same.

redis-py writes with ``asyncio.wait_for``, which in Python 3.11 returns, or raises what the write
raised, instead of the cancellation when the write is done at the moment of the cancellation. A loop
around such a command would go on for ever and whoever waits for its end would hang.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def heeded() -> Iterator[None]:
    """Raise at the end of the block if this task was cancelled in it, whatever was raised.

    Raises:
        asyncio.CancelledError: that cancellation.
    """
    task = asyncio.current_task()
    before = task.cancelling() if task is not None else 0
    try:
        yield
    except Exception as error:
        if task is not None and task.cancelling() > before:
            raise asyncio.CancelledError from error
        raise
    if task is not None and task.cancelling() > before:
        raise asyncio.CancelledError
