"""What is worth acting on at once, as Redis tells it; the next look sees whatever is missed."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from typing import Any

from redis.exceptions import RedisError

from allocator.store import Store
from asr_tasks import log
from asr_tasks.contracts.names import SUSPECTS_CHANNEL, WAITING_CHANNEL
from asr_tasks.state.cancellation import heeded

_log = log.get("asr.monitor")


async def listen(store: Store) -> AsyncIterator[tuple[str, str]]:
    """(channel, text) for ever; subscribes again when the connection is lost."""
    pause = 0.1
    while True:
        pubsub: Any = store.redis.pubsub(ignore_subscribe_messages=True)
        try:
            with heeded():
                await pubsub.subscribe(SUSPECTS_CHANNEL, WAITING_CHANNEL)
            while True:
                with heeded():
                    message = await pubsub.get_message(timeout=1.0)
                pause = 0.1
                if message is not None:
                    yield message["channel"], message["data"]
        except (RedisError, OSError) as error:
            _log.warning("subscription lost", error=str(error))
        finally:
            with heeded():
                await pubsub.aclose()
        await asyncio.sleep(pause * random.uniform(0.5, 1.0))
        pause = min(2.0, pause * 2)
