"""The allocator's connection to Redis: commands and scripts.

Whatever fails is BackendDown if it may pass (see :mod:`asr_tasks.state.outage`), else an internal
AsrError.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import redis.asyncio
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from asr_tasks.state.cancellation import heeded
from asr_tasks.state.outage import failure
from asr_tasks.state.scripts import source

COMMAND_TIMEOUT = 2.0
"""Seconds one command may take before Redis counts as unreachable."""

MAX_CONNECTIONS = 32
"""Connections of one store; commands beyond wait for one, as long as for an answer."""


def connected(url: str) -> redis.asyncio.Redis:
    """A client over its own connections; close it."""
    pool = redis.asyncio.BlockingConnectionPool.from_url(
        url,
        max_connections=MAX_CONNECTIONS,
        timeout=COMMAND_TIMEOUT,
        decode_responses=True,
        socket_timeout=COMMAND_TIMEOUT,
        socket_connect_timeout=COMMAND_TIMEOUT,
        # Once more at once: a pooled connection may have died with an earlier Redis.
        retry=Retry(NoBackoff(), 1),
    )
    return redis.asyncio.Redis.from_pool(pool)


class RedisLink:
    """One Redis. Belongs to one asyncio loop."""

    def __init__(self, client: redis.asyncio.Redis) -> None:
        self.redis = client
        self._scripts: dict[str, Any] = {}

    async def close(self) -> None:
        """Close the connections."""
        await self.redis.aclose()

    async def ping(self) -> None:
        """Whether Redis answers."""
        try:
            with heeded():
                await cast("Any", self.redis.ping())
        except (RedisError, OSError) as error:
            raise failure(error, "ping") from error

    async def read(self, *command: Any) -> Any:
        """One plain command.

        Raises:
            BackendDown: Redis does not answer.
        """
        try:
            with heeded():
                return await cast("Any", self.redis).execute_command(*command)
        except (RedisError, OSError) as error:
            raise failure(error, command[0]) from error

    async def read_each(self, commands: Sequence[tuple[Any, ...]]) -> list[Any]:
        """Several plain commands in one round trip.

        Raises:
            BackendDown: Redis does not answer.
        """
        if not commands:
            return []
        try:
            with heeded():
                async with self.redis.pipeline(transaction=False) as pipe:
                    for command in commands:
                        pipe.execute_command(*command)
                    # Else redis-py wraps the text that tells an outage from a bug.
                    replies = list(await pipe.execute(raise_on_error=False))
        except (RedisError, OSError) as error:
            raise failure(error, commands[0][0]) from error
        for command, reply in zip(commands, replies, strict=True):
            if isinstance(reply, Exception):
                raise failure(reply, command[0]) from reply
        return replies

    async def call(self, name: str, *args: Any, keys: Sequence[str] = ()) -> Any:
        """Run a script of allocator/lua (EVALSHA; loaded again where a Redis has forgotten it).

        Raises:
            BackendDown: Redis does not answer.
        """
        script = self._scripts.get(name)
        if script is None:
            script = self.redis.register_script(source("allocator", name))
            self._scripts[name] = script
        try:
            with heeded():
                return await script(keys=keys, args=args)
        except (RedisError, OSError) as error:
            raise failure(error, name) from error
