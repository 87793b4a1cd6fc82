"""A cancellation that a library swallows still ends the task."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from asr_tasks.state.cancellation import heeded
from gateway.redis_link import RedisLink


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


async def test_an_error_in_place_of_a_cancellation_does_not_hide_it():
    async def fail_when_cancelled():
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise ConnectionError from None

    async def work():
        while True:  # as one who tries again
            with contextlib.suppress(ConnectionError), heeded():
                await fail_when_cancelled()

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait({task}, timeout=1)
    assert task.cancelled()


async def test_the_gateways_store_heeds_them_too():
    class Pipeline:
        async def execute(self, raise_on_error):
            await swallow()
            return []

    task = asyncio.create_task(RedisLink(None, ()).execute(Pipeline()))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, 1)
