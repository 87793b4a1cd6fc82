"""One AMQP connection that comes back: supervised, with jittered exponential backoff."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

import aiormq
from aiormq.abc import AbstractChannel, AbstractConnection
from yarl import URL

from asr_tasks import log
from asr_tasks.contracts.errors import BackendDown
from gateway.backoff import delays
from gateway.stopping import stop

CONNECT_SECONDS: Final = 5.0
LONGEST_DELAY: Final = 2.0
"""Stated maximum between two tries to connect, seconds."""
_CLOSE_SECONDS: Final = 2.0
_STABLE_SECONDS: Final = 5.0
"""A connection that lived so long was a good one: the next loss starts anew."""

_log = log.get(__name__)
# It reports each refused connection as an error of its own; the supervisor says what matters.
logging.getLogger("aiormq.connection").setLevel(logging.CRITICAL)


class Link:
    """A connection with one channel, either for publishing or for consuming.

    A publisher that RabbitMQ holds back (memory or disk alarm) must not keep results from
    arriving, so the two uses never share a connection.
    """

    def __init__(
        self,
        url: str,
        name: str,
        heartbeat: int,
        on_up: Callable[[AbstractChannel], Awaitable[None]] | None = None,
    ) -> None:
        """Args:
        name: shown in RabbitMQ's list of connections.
        on_up: called with each new channel before anyone else gets it.
        """
        self._url = URL(url).update_query(heartbeat=str(heartbeat), name=name)
        self._name = name
        self._on_up = on_up
        self._connection: AbstractConnection | None = None
        self._channel: AbstractChannel | None = None
        self._up = asyncio.Event()
        self._closed = False
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to connect."""
        self._task = asyncio.create_task(self._supervise(), name=f"amqp {self._name}")

    async def channel(self, seconds: float) -> AbstractChannel:
        """The channel that is open now.

        Raises:
            BackendDown: there is none for ``seconds``, or the link was closed.
        """
        channel = self._channel
        if channel is not None and not channel.is_closed:
            return channel
        try:
            async with asyncio.timeout(seconds):
                while self._channel is None or self._channel.is_closed:
                    if self._closed:
                        raise BackendDown("the gateway is closing")
                    self._up.clear()
                    await self._up.wait()
        except TimeoutError:
            raise BackendDown("RabbitMQ does not answer") from None
        return self._channel

    def connected(self) -> bool:
        """Whether a channel is open."""
        return self._channel is not None and not self._channel.is_closed

    async def unblocked(self, seconds: float) -> bool:
        """Whether the broker takes messages (no alarm) within ``seconds``."""
        if self._connection is None:
            return False
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._connection.ready()
                return True
        return False

    async def close(self) -> None:
        """Disconnect for good."""
        self._closed = True
        self._up.set()
        if self._task is not None:
            await stop([self._task])

    async def _supervise(self) -> None:
        loop = asyncio.get_running_loop()
        waits = delays(0.05, LONGEST_DELAY)
        lost = True
        while not self._closed:
            began = loop.time()
            try:
                await self._live()
            except asyncio.CancelledError:
                # aiormq cancels futures of a connection that died; only a cancel of this very
                # task ends it.
                task = asyncio.current_task()
                if task is not None and task.cancelling():
                    raise
                reason = "the connection was closed"
            except Exception as error:
                reason = f"{type(error).__name__}: {error}"
            else:
                reason = "the connection was closed"
            if loop.time() - began > _STABLE_SECONDS:
                waits, lost = delays(0.05, LONGEST_DELAY), True
            delay = next(waits)
            # Once is news; that it is still so is not.
            tell = _log.warning if lost else _log.debug
            lost = False
            tell("RabbitMQ is away, trying again", link=self._name, reason=reason, delay=delay)
            await asyncio.sleep(delay)

    async def _live(self) -> None:
        """Connect, and stay until the connection or the channel is lost."""
        context = aiormq.connect(self._url)
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                connection = await context
                channel = await connection.channel(publisher_confirms=True)
            self._connection = connection
            if self._on_up is not None:
                await self._on_up(channel)
            self._channel = channel
            self._up.set()
            _log.info("RabbitMQ connected", link=self._name)
            await asyncio.wait(
                [connection.closing, channel.closing], return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            self._connection = self._channel = None
            with suppress(Exception, asyncio.CancelledError):
                async with asyncio.timeout(_CLOSE_SECONDS):
                    await context.connection.close()


def reraise_own_cancel() -> None:
    """Aiormq cancels the futures of a connection that died; a cancel of our own task is real."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
