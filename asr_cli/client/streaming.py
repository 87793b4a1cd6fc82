"""One session with any of several gateways, over as many connections as it takes."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator, Callable, Sequence
from types import TracebackType
from typing import Any, Final, Self

import aiohttp

from asr_cli.client.events import (
    Accepted,
    Done,
    Event,
    Partial,
    Ready,
    Reconnecting,
    Warned,
    parse,
)
from asr_cli.client.events import Final as FinalEvent
from asr_cli.client.link import Broken, Link, Traffic, connected
from asr_cli.client.unsent import Unsent
from asr_tasks.contracts.audio import SAMPLE_RATE
from asr_tasks.contracts.errors import AsrError, BackendDown, SessionEnded

SLICE: Final = 32 * 1024
"""Bytes in one message at most; about a second of audio."""
KEPT_BYTES: Final = 16 * 1024 * 1024
"""Audio kept until it is accepted: more than eight minutes."""
GIVE_UP_SECONDS: Final = 120.0
SAMPLE_BYTES: Final = 2
BYTES_PER_SECOND: Final = SAMPLE_BYTES * SAMPLE_RATE
ROUNDED: Final = 0.001
"""A stored duration is rounded to this: less than so much audio is never said to be missing."""
FIRST_DELAY, LONGEST_DELAY, STABLE_SECONDS = 0.25, 5.0, 5.0
EVENTS: Final = 1000
"""Events that may wait for the reader. Beyond, those that a later one replaces are dropped; finals
wait, and so does the connection."""


class StreamingClient:
    """Sends 16 kHz mono PCM16LE, gives events; reconnects and resumes by itself.

    For one event loop; one task sends while another reads the events.

    Args:
        urls: of gateways, ``http://`` or ``ws://``; any will do, and after a break the next.
        model: the catalogue's name.
        parameters: more of the protocol's opening parameters (``language``, ``client`` …).
        session, token: of a session that another program began, to go on with it: :meth:`opened`
            says from which byte of its audio on.
        last_segment: then, the last final that is not needed again.
        give_up: seconds after which the service counts as down, from the last connection that
            held (``STABLE_SECONDS``) or brought the session forward: audio accepted, a final. So
            connections that are greeted and break, again and again, end it as no answer does.
        session_factory: makes the HTTP session.
        traffic: what goes over its connections is added to it.
    """

    def __init__(
        self,
        urls: Sequence[str],
        *,
        model: str = "",
        session: str = "",
        token: str = "",
        last_segment: int = -1,
        give_up: float = GIVE_UP_SECONDS,
        session_factory: Callable[[], aiohttp.ClientSession] = aiohttp.ClientSession,
        traffic: Traffic | None = None,
        **parameters: Any,
    ) -> None:
        if not urls:
            raise ValueError("no gateway")
        self.session = session
        self.token = token
        self.reconnects = 0
        self._traffic = Traffic() if traffic is None else traffic
        self._urls = [url.rstrip("/").replace("http", "ws", 1) for url in urls]
        self._turn = random.randrange(len(urls))
        self._opening = {"model": model, **parameters}
        self._give_up = give_up
        self._factory = session_factory
        self._unsent = Unsent(KEPT_BYTES)
        self._events: asyncio.Queue[Event | BaseException] = asyncio.Queue(EVENTS)
        self._next_segment = last_segment + 1
        self._connected_at = 0.0
        """When the present connection was greeted; 0: it was not."""
        self._good_at = 0.0
        """When a connection last held, or brought the session forward."""
        self._ended_while_away = False
        """The caller was told that audio it gave was not taken."""
        self._greeted = asyncio.Event()
        """The first greeting came, or none will."""
        self._runner: asyncio.Task[None] | None = None

    @property
    def position(self) -> int:
        """Bytes the service has accepted."""
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

    async def opened(self) -> int:
        """Wait for the session; the byte from which on its audio is to be given to :meth:`send`.

        0 for a new session; for one that another program began, as far as that one came.

        Raises:
            AsrError: there is no session.
        """
        await self._greeted.wait()
        self._unsent.check()
        return self.position

    async def send(self, pcm: bytes) -> None:
        """Append audio; waits while too much of it is not accepted yet.

        Raises:
            AsrError: the session is over.
        """
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
            await self._unsent.close(SessionEnded("The session is over."))
        except Exception as error:  # whatever it is, the reader is told, and the sender too
            await self._unsent.close(error)
            await self._events.put(error)
        finally:
            self._greeted.set()

    async def _until_done(self, http: aiohttp.ClientSession) -> None:
        attempt, delay, self._good_at = 0, FIRST_DELAY, time.monotonic()
        while True:
            self._connected_at = 0.0
            try:
                await self._converse(http)
                return
            except (Broken, aiohttp.ClientError, OSError, TimeoutError) as error:
                now = time.monotonic()
                if self._connected_at and now - self._connected_at > STABLE_SECONDS:
                    self._good_at = now
                    attempt, delay = 0, FIRST_DELAY
                if now - self._good_at > self._give_up:
                    raise _given_up(error) from error
                given = error.delay if isinstance(error, Broken) else None
                wait = given if given is not None else delay * random.uniform(0.5, 1.0)
                attempt, delay = attempt + 1, min(LONGEST_DELAY, delay * 2)
                self._turn += 1
                self.reconnects += 1
                await self._tell(Reconnecting(_reason(error), attempt, wait))
                await asyncio.sleep(wait)

    async def _converse(self, http: aiohttp.ClientSession) -> None:
        url = self._urls[self._turn % len(self._urls)]
        async with connected(http, url, self._parameters(), self._traffic) as (link, ready):
            await self._greet(ready)
            ended, over = bool(ready.get("ended")), bool(ready.get("over"))
            sender = None
            if not ended:
                sender = asyncio.create_task(self._send_all(link, int(ready["resume_from"])))
            elif not over:
                # The end of stream lies exactly there; of a session that is over `done` says it.
                await self._note_taken(int(ready["resume_from"]))
            try:
                await self._receive_all(link, ended=ended)
            except Broken as broken:
                if over and broken.cause is not None:
                    raise broken.cause from broken  # the outcome: the same however often we ask
                raise
            finally:
                if sender is not None:
                    sender.cancel()
                    with contextlib.suppress(asyncio.CancelledError, aiohttp.ClientError, OSError):
                        await sender

    def _parameters(self) -> dict[str, str]:
        if self.token:
            given: dict[str, Any] = {
                "session": self.session,
                "token": self.token,
                "last_segment": self._next_segment - 1,
                "partials": self._opening.get("partials", True),
            }
        else:
            given = {k: v for k, v in self._opening.items() if v not in (None, "")}
            if self.session:
                given["session"] = self.session
        return {name: _text(value) for name, value in given.items()}

    async def _greet(self, raw: dict[str, Any]) -> None:
        resumed, resume_from = bool(self.token), int(raw["resume_from"])
        self.session, self.token = raw["session"], raw["token"]
        self._connected_at = time.monotonic()
        if not self._greeted.is_set():
            self._unsent.begin(resume_from)
        elif resume_from < self._unsent.start and not raw.get("ended"):
            raise SessionEnded("The service asks for audio that was accepted and forgotten.")
        await self._unsent.accept(resume_from)
        self._greeted.set()
        await self._tell(Ready(self.session, self.token, raw["model"], resumed, resume_from))

    async def _note_taken(self, taken: int) -> None:
        """The stream ended at this byte, by our word or by the service's, after we were away too
        long: tell the caller once if it gave more. Half a sample is not audio.
        """
        if self._unsent.end // SAMPLE_BYTES > taken // SAMPLE_BYTES and not self._ended_while_away:
            self._ended_while_away = True
            reached = f"audio after {taken / BYTES_PER_SECOND:.1f} s was not taken"
            await self._tell(Warned("ended_while_away", f"The session had ended: {reached}."))

    async def _send_all(self, link: Link, offset: int) -> None:
        while data := await self._unsent.after(offset, SLICE):
            await link.send(data)
            offset += len(data)
        await link.send('{"type":"end"}')

    async def _receive_all(self, link: Link, *, ended: bool) -> None:
        while True:
            event = parse(await link.read())
            if isinstance(event, Accepted):
                if event.bytes > self._unsent.start:
                    self._good_at = time.monotonic()
                await self._unsent.accept(event.bytes)
            if isinstance(event, FinalEvent | Partial) and event.segment < self._next_segment:
                continue
            if isinstance(event, FinalEvent):
                self._good_at = time.monotonic()
                self._next_segment = event.segment + 1
            if isinstance(event, Done) and ended:
                await self._note_taken(round((event.duration + ROUNDED) * BYTES_PER_SECOND))
            if event is not None:
                await self._tell(event)
            if isinstance(event, Done):
                return

    async def _tell(self, event: Event) -> None:
        if isinstance(event, Partial | Accepted) and self._events.full():
            return
        await self._events.put(event)


def _given_up(error: Exception) -> AsrError:
    """What the caller is told: the service's own refusal, if it made one."""
    cause = error.cause if isinstance(error, Broken) else None
    return cause or BackendDown(f"No gateway serves the session: {_reason(error)}.")


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
