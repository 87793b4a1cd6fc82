"""One client's WebSocket: sends within a deadline, pings, and closes once."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from typing import Any, Final

from aiohttp import WSCloseCode, WSMessage, WSMsgType, web

from gateway.outlet import ClientGone
from gateway.settings import GatewaySettings

_CLOSE_SECONDS: Final = 2.0
_MISSED_PINGS: Final = 3
_TEXT_LIMIT: Final = 64 * 1024


class Connection:
    """Wraps aiohttp's WebSocket. Many tasks may send; one reads."""

    def __init__(self, settings: GatewaySettings) -> None:
        self._settings = settings
        # No compression: audio does not shrink and a compressed message could unpack to anything.
        # A little more than the limit, so that the limit is ours to check and to explain; far
        # beyond it aiohttp closes with 1009 from the length alone, before anything is read.
        self.ws = web.WebSocketResponse(
            compress=False,
            autoping=False,
            timeout=_CLOSE_SECONDS,
            max_msg_size=settings.max_message_bytes + 1024,
        )
        self._closing = False
        self._closed = asyncio.Event()

    async def open(self, request: web.Request) -> None:
        """Upgrade."""
        await self.ws.prepare(request)
        transport = request.transport
        sock = transport.get_extra_info("socket") if transport else None
        if sock is not None and sock.family in (socket.AF_INET, socket.AF_INET6):
            # Small messages at once; a peer that vanished without a word is found by the kernel,
            # too, when we are not reading because of back-pressure.
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            user_timeout = getattr(socket, "TCP_USER_TIMEOUT", None)
            if user_timeout is not None:
                limit = int(self._settings.ping_seconds * _MISSED_PINGS * 1000)
                sock.setsockopt(socket.IPPROTO_TCP, user_timeout, limit)

    async def send(self, text: str) -> None:
        """One text message.

        Raises:
            ClientGone: closed or closing, or the client takes nothing for too long.
        """
        if self._closing:
            raise ClientGone
        await self._send(text)

    async def _send(self, text: str) -> None:
        try:
            async with asyncio.timeout(self._settings.send_seconds):
                await self.ws.send_str(text)
        except (ConnectionError, TimeoutError, RuntimeError) as error:
            self.abort()
            raise ClientGone from error

    async def receive(self) -> WSMessage | None:
        """The next text or binary message; None once the connection is over. Pings a silent
        client and gives it up after three pings without a sign.
        """
        missed = 0
        while True:
            try:
                message = await self.ws.receive(self._settings.ping_seconds)
            except TimeoutError:
                missed += 1
                if missed > _MISSED_PINGS:
                    self.abort()
                    return None
                with suppress(ConnectionError, RuntimeError):
                    await self.ws.ping()
                continue
            missed = 0
            match message.type:
                case WSMsgType.TEXT | WSMsgType.BINARY:
                    return message
                case WSMsgType.PING:
                    with suppress(ConnectionError, RuntimeError):
                        await self.ws.pong(message.data)
                case WSMsgType.PONG:
                    continue
                case _:
                    return None

    async def close(self, code: int, reason: str = "", *, last: str = "") -> None:
        """Say the last message, if any, and close with a code; waits shortly for the client's
        answer. Only the first call does it, so there is one last message and one code however
        many have a reason to end; the others wait until it is done.

        Raises:
            ClientGone: the last message could not be sent.
        """
        if self._closing:
            await self._closed.wait()
            return
        self._closing = True
        try:
            if last:
                await self._send(last)
            with suppress(ConnectionError, TimeoutError, RuntimeError):
                async with asyncio.timeout(_CLOSE_SECONDS + 1):
                    await self.ws.close(code=code, message=reason.encode()[:120])
        finally:
            self._closed.set()

    def abort(self) -> None:
        """Drop the connection: the peer does not answer."""
        self._closing = True
        self._closed.set()
        transport = self._transport()
        if transport is not None:
            transport.abort()

    @property
    def too_big(self) -> bool:
        """Whether the client sent a message over the limit (aiohttp has closed it then)."""
        return self.ws.close_code == WSCloseCode.MESSAGE_TOO_BIG

    def _transport(self) -> Any:
        writer = getattr(self.ws, "_writer", None)
        return getattr(writer, "transport", None)


def text_of(message: WSMessage) -> str:
    """A text message's text, shortened to what may be worth a look."""
    return str(message.data)[:_TEXT_LIMIT]
