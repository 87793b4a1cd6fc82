"""One session with any of several gateways, over as many connections as it takes."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import time
from collections.abc import AsyncIterator, Callable, Sequence
from types import TracebackType
from typing import Any, Self

import aiohttp

from asr_cli.client.events import Accepted, Done, Event, Final, Partial, Ready, Reconnecting, parse
from asr_cli.client.unsent import Unsent
from asr_tasks.contracts.errors import AsrError, BackendDown, SessionEnded, error_for

SLICE = 32 * 1024
"""Bytes in one message at most; about a second of audio."""
KEPT_BYTES = 16 * 1024 * 1024
"""Audio kept until it is accepted: more than eight minutes."""
CONNECT_SECONDS = 10.0
GIVE_UP_SECONDS = 120.0
"""Without any connection for so long, the service counts as down."""
FIRST_DELAY, LONGEST_DELAY, STABLE_SECONDS = 0.25, 5.0, 5.0
RECOVERABLE_CLOSE = frozenset({1001, 1005, 1006, 1011, 1012, 1013, 1015})
EVENTS = 1000
"""Events that may wait for the reader before the connection is no longer read."""


class _Broken(Exception):
    """The connection is gone; the session is not."""

    def __init__(self, reason: str, delay: float | None = None) -> None:
        super().__init__(reason)
        self.delay = delay


class StreamingClient:
    """Sends 16 kHz mono PCM16LE, gives events; reconnects and resumes by itself.

    Args:
        urls: of gateways, ``http://`` or ``ws://``; any will do, and after a break the next.
        model: the catalogue's name.
        parameters: more of the protocol's opening parameters (``language``, ``client`` …).
        session, token: to go on with a session of before (its audio from ``resume_from`` on must
            then be sent again by the caller; see :attr:`position`).
        session_factory: for tests: makes the HTTP session.
    """

    def __init__(
        self,
        urls: Sequence[str],
        *,
        model: str = "",
        session: str = "",
        token: str = "",
        session_factory: Callable[[], aiohttp.ClientSession] = aiohttp.ClientSession,
        **parameters: Any,
    ) -> None:
        if not urls:
            raise ValueError("no gateway")
        self.session = session
        self.token = token
        self.reconnects = 0
        self._urls = [url.rstrip("/").replace("http", "ws", 1) for url in urls]
        self._turn = random.randrange(len(urls))
        self._opening = {"model": model, **parameters}
        self._factory = session_factory
        self._unsent = Unsent(KEPT_BYTES)
        self._events: asyncio.Queue[Event | BaseException] = asyncio.Queue(EVENTS)
        self._next_segment = 0
        self._connected_at = 0.0
        """When the present connection was greeted; 0: it was not."""
        self._runner: asyncio.Task[None] | None = None

    @property
    def position(self) -> int:
        """Bytes the service has accepted; a caller that resumes goes on here."""
        return self._unsent.start

    async def __aenter__(self) -> Self:
        self._runner = asyncio.create_task(self._run(), name="asr-client")
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._runner is not None
        self._runner.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._runner

    async def send(self, pcm: bytes) -> None:
        """Append audio; waits while too much of it is not accepted yet."""
        await self._unsent.put(pcm)

    async def end(self) -> None:
        """Say that the audio is over; the last events follow."""
        await self._unsent.finish()

    async def __aiter__(self) -> AsyncIterator[Event]:
        """Events until :class:`Done`.

        Raises:
            AsrError: the session is over without success, or the service stays away.
        """
        while True:
            event = await self._events.get()
            if isinstance(event, BaseException):
                raise event
            yield event
            if isinstance(event, Done):
                return

    async def _run(self) -> None:
        try:
            async with self._factory() as http:
                await self._until_done(http)
        except AsrError as error:
            await self._events.put(error)

    async def _until_done(self, http: aiohttp.ClientSession) -> None:
        attempt, delay, lost_at = 0, FIRST_DELAY, time.monotonic()
        while True:
            self._connected_at = 0.0
            try:
                await self._connect(http)
                return
            except (_Broken, aiohttp.ClientError, OSError, TimeoutError) as error:
                now = time.monotonic()
                if self._connected_at:
                    lost_at = now
                    if now - self._connected_at > STABLE_SECONDS:
                        attempt, delay = 0, FIRST_DELAY
                if now - lost_at > GIVE_UP_SECONDS:
                    raise BackendDown(f"no gateway answers: {error}") from error
                given = error.delay if isinstance(error, _Broken) else None
                wait = given if given is not None else delay * random.uniform(0.5, 1.0)
                attempt, delay = attempt + 1, min(LONGEST_DELAY, delay * 2)
                self._turn += 1
                self.reconnects += 1
                await self._events.put(Reconnecting(str(error), attempt, wait))
                await asyncio.sleep(wait)

    async def _connect(self, http: aiohttp.ClientSession) -> None:
        url = f"{self._urls[self._turn % len(self._urls)]}/v1/stream"
        timeout = aiohttp.ClientWSTimeout(ws_close=2.0)
        async with asyncio.timeout(CONNECT_SECONDS):
            socket = await http.ws_connect(
                url, params=self._parameters(), heartbeat=10.0, timeout=timeout, max_msg_size=0
            )
        async with socket:
            first = await self._read(socket, CONNECT_SECONDS)
            if first.get("type") != "ready":
                raise _Broken(f"the gateway began with {first.get('type')!r}")
            await self._greet(first)
            sender = asyncio.create_task(self._send_all(socket, int(first["resume_from"])))
            try:
                await self._receive_all(socket)
            finally:
                sender.cancel()
                with contextlib.suppress(asyncio.CancelledError, aiohttp.ClientError, OSError):
                    await sender

    def _parameters(self) -> dict[str, str]:
        if self.token:
            given: dict[str, Any] = {
                "session": self.session,
                "token": self.token,
                "last_segment": self._next_segment - 1,
            }
        else:
            given = {k: v for k, v in self._opening.items() if v not in (None, "")}
            if self.session:
                given["session"] = self.session
        return {name: _text(value) for name, value in given.items()}

    async def _greet(self, raw: dict[str, Any]) -> None:
        resumed = bool(self.token)
        self.session, self.token = raw["session"], raw["token"]
        self._connected_at = time.monotonic()
        if resumed and int(raw["resume_from"]) < self._unsent.start:
            raise SessionEnded("the service asks for audio that was accepted and forgotten")
        await self._unsent.accept(int(raw["resume_from"]))
        await self._events.put(Ready(self.session, self.token, raw["model"], resumed))

    async def _send_all(self, socket: aiohttp.ClientWebSocketResponse, offset: int) -> None:
        while data := await self._unsent.after(offset, SLICE):
            await socket.send_bytes(data)
            offset += len(data)
        await socket.send_str('{"type":"end"}')

    async def _receive_all(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        while True:
            raw = await self._read(socket, None)
            if raw.get("type") == "going_away":
                raise _Broken("the gateway is leaving", raw["reconnect_ms"] / 1000)
            event = parse(raw)
            if isinstance(event, Accepted):
                await self._unsent.accept(event.bytes)
            if isinstance(event, Final):
                if event.segment < self._next_segment:
                    continue
                self._next_segment = event.segment + 1
            if isinstance(event, Partial) and event.segment < self._next_segment:
                continue
            if event is not None:
                await self._events.put(event)
            if isinstance(event, Done):
                return

    async def _read(
        self, socket: aiohttp.ClientWebSocketResponse, timeout: float | None
    ) -> dict[str, Any]:
        message = await socket.receive(timeout=timeout)
        if message.type is aiohttp.WSMsgType.TEXT:
            raw: dict[str, Any] = json.loads(message.data)
            if raw.get("type") == "error":
                self._judge(raw)
            return raw
        code = socket.close_code or 1006
        if code in RECOVERABLE_CLOSE:
            raise _Broken(f"connection lost ({code})")
        raise AsrError(f"the gateway closed the connection with code {code}")

    def _judge(self, raw: dict[str, Any]) -> None:
        if raw.get("retry") and self.token:
            raise _Broken(raw["message"])
        raise error_for(raw["code"], raw["message"])


async def transcribe(
    urls: Sequence[str], pcm: bytes, *, model: str, **parameters: Any
) -> list[Final]:
    """The finals of a finished piece of audio (16 kHz mono PCM16LE), sent as fast as it goes.

    Raises:
        AsrError: as the stream's.
    """
    async with StreamingClient(urls, model=model, **parameters) as client:

        async def feed() -> None:
            await client.send(pcm)
            await client.end()

        feeding = asyncio.create_task(feed())
        finals = [event async for event in client if isinstance(event, Final)]
        await feeding
        return finals


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
