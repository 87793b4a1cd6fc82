"""A cancellation that a library swallows still ends the task."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from allocator.cancellation import heeded


async def swallow():
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.Event().wait()


async def test_a_swallowed_cancellation_is_raised():
    async def work():
        with heeded():
            await swallow()
        pytest.fail("went on")

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, 1)


async def test_an_earlier_cancellation_does_not_spoil_the_farewell():
    said = []

    async def work():
        try:
            await asyncio.Event().wait()
        finally:
            with heeded():
                await asyncio.sleep(0)
            said.append("farewell")

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert said == ["farewell"]


async def test_a_deadline_stays_a_deadline():
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            with heeded():
                await swallow()
