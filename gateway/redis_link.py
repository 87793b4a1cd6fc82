"""The gateway's connection to Redis: scripts and pipelines.

Whatever fails is BackendDown if it may pass (see :mod:`asr_tasks.state.outage`), else an internal
AsrError.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any, Final

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError, NoScriptError, RedisError

from asr_tasks.state.cancellation import heeded
from asr_tasks.state.outage import failure
from asr_tasks.state.scripts import source

COMMAND_SECONDS: Final = 2.0
"""One command to Redis may take so long before Redis counts as away."""

MAX_CONNECTIONS: Final = 50
"""Connections of one gateway; commands beyond wait for one, as long as for an answer."""


def connected(url: str) -> Redis:
    """A client over its own pool; commands fail fast and are repeated by whoever waits."""
    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=MAX_CONNECTIONS,
        timeout=COMMAND_SECONDS,
        socket_timeout=COMMAND_SECONDS,
        socket_connect_timeout=COMMAND_SECONDS,
        # Once more at once: a pooled connection may have died with an earlier Redis. So a script
        # may run twice, the first answer lost; each says why that does no harm. Not after a
        # timeout: it has taken its time already.
        retry=Retry(NoBackoff(), 1, (ConnectionError,)),
    )
    return Redis.from_pool(pool)


class RedisLink:
    """One per gateway; whoever made the client closes it."""

    def __init__(self, redis: Redis, scripts: Iterable[str]) -> None:
        """``scripts``: names of those of gateway/lua that :meth:`run` will be asked for."""
        self._redis = redis
        self._scripts = {name: _Script(source("gateway", name)) for name in scripts}

    async def run(self, name: str, keys: list[str], arguments: list[Any]) -> list[Any]:
        """Run a script.

        Raises:
            BackendDown: Redis does not answer.
        """
        reply: list[Any] | Exception = (await self.run_many(name, [(keys, arguments)]))[0]
        if isinstance(reply, Exception):
            raise reply
        return reply

    async def run_many(self, name: str, calls: Sequence[tuple[list[str], list[Any]]]) -> list[Any]:
        """One script with many arguments in one round trip; loads it if Redis forgot it.

        Returns:
            Per call the script's answer, or the AsrError that it failed with.

        Raises:
            BackendDown: Redis does not answer.
        """
        script = self._scripts[name]
        for fresh in (False, True):
            pipeline = self.pipeline()
            if fresh:
                pipeline.script_load(script.text)
            for keys, arguments in calls:
                pipeline.evalsha(script.sha, len(keys), *keys, *arguments)
            replies = (await self._replies(pipeline, name))[1 if fresh else 0 :]
            if not any(isinstance(reply, NoScriptError) for reply in replies):
                break
        return [
            failure(reply, name) if isinstance(reply, RedisError) else reply for reply in replies
        ]

    def pipeline(self) -> Any:
        """Commands for one round trip; other clients' may come between them."""
        return self._redis.pipeline(transaction=False)

    async def execute(self, pipeline: Any) -> list[Any]:
        """Send it.

        Returns:
            One reply per command.

        Raises:
            BackendDown: Redis does not answer.
        """
        replies = await self._replies(pipeline, "a pipeline")
        for number, reply in enumerate(replies):
            if isinstance(reply, RedisError):
                raise failure(reply, f"command {number} of a pipeline") from reply
        return replies

    @staticmethod
    async def _replies(pipeline: Any, doing: str) -> list[Any]:
        """One reply per command; an exception for one that was refused."""
        try:
            with heeded():
                # Else redis-py wraps the text that tells an outage from a bug.
                return list(await pipeline.execute(raise_on_error=False))
        except (RedisError, OSError) as error:
            raise failure(error, doing) from error


class _Script:
    def __init__(self, text: str) -> None:
        self.text = text
        self.sha = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()
