"""One connection to one gateway: opened, greeted, watched, closed."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import socket
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import aiohttp

from asr_tasks.contracts.errors import AsrError, error_for

CONNECT_SECONDS: Final = 10.0
SILENCE_SECONDS: Final = 10.0
"""Without a message for so long a gateway that promises none is asked whether it is there; and
again so long."""
MISSED: Final = 2.5
"""So many of the signs of life that a gateway promises may fail before it counts as gone."""
DEAD_SECONDS: Final = 8
"""A peer whose machine acknowledges nothing for so long is gone."""
RECOVERABLE_CLOSE: Final = frozenset({1001, 1005, 1006, 1011, 1012, 1013, 1015})


class Broken(Exception):
    """The connection is gone; the session is not.

    Attributes:
        delay: seconds after which the gateway wants to see us again, if it said so.
        cause: what a refusal that may pass was about.
    """

    def __init__(
        self, reason: str, delay: float | None = None, cause: AsrError | None = None
    ) -> None:
        super().__init__(reason)
        self.delay = delay
        self.cause = cause


@dataclass(slots=True)
class Traffic:
    """Messages and their bytes over all connections of a session, without what frames them."""

    messages_sent: int = 0
    bytes_sent: int = 0
    messages_received: int = 0
    bytes_received: int = 0


class Link:
    """One WebSocket. One task reads, another writes."""

    def __init__(self, ws: aiohttp.ClientWebSocketResponse, traffic: Traffic) -> None:
        self._ws = ws
        self._traffic = traffic
        self._writing = False
        self.alive_seconds = 0.0
        """Seconds between signs of life that the gateway promises; 0: it promises none."""

    async def send(self, data: bytes | str) -> None:
        """One message; waits for as long as the gateway does not read."""
        self._writing = True
        self._traffic.messages_sent += 1
        self._traffic.bytes_sent += len(data)
        try:
            if isinstance(data, str):
                await self._ws.send_str(data)
            else:
                await self._ws.send_bytes(data)
        finally:
            self._writing = False

    async def read(self) -> dict[str, Any]:
        """The gateway's next message.

        Raises:
            Broken: closed or silent, but the session can go on over another connection.
            AsrError: the session is over.
        """
        message = await self._watched()
        if message.type is aiohttp.WSMsgType.TEXT:
            self._traffic.messages_received += 1
            self._traffic.bytes_received += len(message.data)
            return _judged(json.loads(message.data))
        code = self._ws.close_code or 1006
        if code in RECOVERABLE_CLOSE:
            raise Broken(f"connection lost ({code})")
        raise AsrError(f"the gateway closed the connection with code {code}")

    async def _watched(self) -> aiohttp.WSMessage:
        if self.alive_seconds:
            # It says something at least so often, also while it holds us back.
            try:
                return await self._ws.receive(timeout=self.alive_seconds * MISSED)
            except TimeoutError:
                raise Broken("the gateway is silent") from None
        asked = False
        while True:
            try:
                return await self._ws.receive(timeout=SILENCE_SECONDS)
            except TimeoutError:
                # A gateway that holds us back reads nothing, so it cannot answer either; that its
                # machine is alive is then for the kernel to see (`_tune`).
                if self._writing:
                    continue
                if asked:
                    raise Broken("the gateway does not answer") from None
                asked = True
                await self._ws.send_str('{"type":"ping"}')


@contextlib.asynccontextmanager
async def connected(
    http: aiohttp.ClientSession, url: str, parameters: Mapping[str, str], traffic: Traffic
) -> AsyncIterator[tuple[Link, dict[str, Any]]]:
    """A connection and the ``ready`` it began with; what goes over it is added to ``traffic``.

    Raises:
        Broken: it answers strangely, or that it cannot now.
        AsrError: the gateway refuses for good.
        aiohttp.ClientError, OSError, TimeoutError: nobody is there.
    """
    async with asyncio.timeout(CONNECT_SECONDS):
        # No heartbeat of aiohttp's: its pings stay unanswered while a gateway holds us back.
        ws = await http.ws_connect(
            f"{url}/v1/stream",
            params=parameters,
            timeout=aiohttp.ClientWSTimeout(ws_close=2.0),
            max_msg_size=0,
        )
    async with ws:
        _tune(ws.get_extra_info("socket"))
        link = Link(ws, traffic)
        async with asyncio.timeout(CONNECT_SECONDS):
            first = await link.read()
        if first.get("type") != "ready":
            raise Broken(f"the gateway began with {first.get('type')!r}")
        link.alive_seconds = float(first.get("window", {}).get("alive_seconds", 0.0))
        yield link, first


def _judged(raw: dict[str, Any]) -> dict[str, Any]:
    """The message, unless it ends the connection."""
    match raw.get("type"):
        case "going_away":
            # Not all at the same instant: everybody else was told the same number.
            raise Broken(
                "the gateway is leaving", raw["reconnect_ms"] / 1000 * random.uniform(1.0, 1.5)
            )
        case "error":
            error = error_for(raw["code"], raw["message"])
            if raw.get("retry"):
                raise Broken(raw["message"], cause=error)
            raise error
    return raw


def _tune(connection: socket.socket | None) -> None:
    """Let the kernel find a peer that vanished without a word, idle or held back alike."""
    if connection is None or connection.family not in (socket.AF_INET, socket.AF_INET6):
        return
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    options = {
        "TCP_USER_TIMEOUT": DEAD_SECONDS * 1000,
        "TCP_KEEPIDLE": DEAD_SECONDS // 2,
        "TCP_KEEPINTVL": DEAD_SECONDS // 4,
        "TCP_KEEPCNT": 2,
    }
    for name, value in options.items():
        if hasattr(socket, name):  # not every system has each of them
            connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
