"""A gateway with jobs in this process, for the tests of its HTTP API."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

from asr_tasks.transport.inprocess import InProcessBroker
from gateway.bus_inprocess import InProcessBus
from tests.servers.choose import Server
from tests.support.gateway_stack import Stack, stack
from tests.support.memory_jobs import MemoryJobs
from tests.support.memory_queues import MemoryQueues


@asynccontextmanager
async def http_api(
    redis: Server, uploads: Path | str, jobs: MemoryJobs | None, **settings: Any
) -> AsyncIterator[Stack]:
    """The gateway; its uploads lie in the folder."""
    broker = InProcessBroker()
    opener = partial(MemoryQueues.open, broker)
    async with stack(
        InProcessBus(broker), redis.url, opener, jobs=jobs, uploads=str(uploads), **settings
    ) as made:
        yield made


def left(folder: Path) -> list[str]:
    """The uploads that are there."""
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []
