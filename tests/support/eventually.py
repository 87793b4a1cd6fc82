"""Waiting for a condition: poll with a deadline, never a bare sleep."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


def eventually(condition: Callable[[], T], *, within: float = 5.0, every: float = 0.02) -> T:
    """The first true value of ``condition``; an assertion error after ``within`` seconds.

    An AssertionError raised by the condition counts as "not yet" and is shown at the end.
    """
    deadline = time.monotonic() + within
    last: object = None
    while True:
        try:
            value = condition()
            if value:
                return value
            last = value
        except AssertionError as error:
            last = error
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {within} s; last: {last!r}")
        time.sleep(every)


async def eventually_async(
    condition: Callable[[], Awaitable[T] | T], *, within: float = 5.0, every: float = 0.02
) -> T:
    """The same for a coroutine function or a plain one, without blocking the loop."""
    deadline = time.monotonic() + within
    last: object = None
    while True:
        try:
            answer = condition()
            value = await answer if isinstance(answer, Awaitable) else answer
            if value:
                return value
            last = value
        except AssertionError as error:
            last = error
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {within} s; last: {last!r}")
        await asyncio.sleep(every)
