"""One caller: speaks a clip at the speed of speech and remembers what came back, and when."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from asr_cli import audio
from asr_cli.client import Done, Event, Final, Partial, Ready, StreamingClient, fed
from asr_cli.pace import Feed, paced
from asr_tasks.contracts.errors import AsrError, SessionSuperseded


@dataclass(frozen=True, slots=True)
class Clip:
    """What a caller says."""

    name: str
    pcm: bytes

    @property
    def seconds(self) -> float:
        """Its length."""
        return len(self.pcm) / audio.BYTES_PER_SECOND

    def pieces(self, start: int = 0) -> Iterator[bytes]:
        """Pieces of 0.1 s, from a byte on."""
        for at in range(start, len(self.pcm), audio.PIECE):
            yield self.pcm[at : at + audio.PIECE]


@dataclass(slots=True)
class Heard:
    """What one caller got.

    Attributes:
        events: each with its time, seconds since the first sample.
        on_the_wire: segment of every final message that came over any connection, in order.
        error: what the session ended with, if not well.
    """

    clip: Clip
    session: str = ""
    began: float = 0.0
    events: list[tuple[float, Event]] = field(default_factory=list)
    on_the_wire: list[int] = field(default_factory=list)
    error: AsrError | None = None

    @property
    def finals(self) -> list[Final]:
        """In order."""
        return [event for _, event in self.events if isinstance(event, Final)]

    @property
    def words(self) -> tuple[tuple[str, float, float], ...]:
        """Every word and its times."""
        return tuple((w["text"], w["start"], w["end"]) for f in self.finals for w in f.words)

    @property
    def done(self) -> Done | None:
        """How it ended, if well."""
        last = self.events[-1][1] if self.events else None
        return last if isinstance(last, Done) else None

    @property
    def speaking(self) -> bool:
        """Whether words of an utterance that is not over are on the screen."""
        last = next((e for _, e in reversed(self.events) if isinstance(e, Partial | Final)), None)
        return isinstance(last, Partial) and bool(last.text)

    def sooner(self, other: Heard) -> None:
        """Take over the times of results that came earlier in another run of the same call."""
        came = other.progress()
        self.events = [
            (min(at, _when(came, _reached(event), at)), event) for at, event in self.events
        ]

    def progress(self) -> list[tuple[float, tuple[int, int]]]:
        """How far the text was, and when: (segment, words in it), each only when it grew."""
        grown: list[tuple[float, tuple[int, int]]] = []
        most = (0, 0)
        for at, event in self.events:
            now = _reached(event)
            if now > most:
                most = now
                grown.append((at, now))
        return grown


def _reached(event: Event) -> tuple[int, int]:
    """How far the text is with this event: (segment, words in it)."""
    match event:
        case Partial(segment=segment, text=text):
            return segment, len(text.split())
        case Final(segment=segment):
            return segment + 1, 0
    return 0, 0


def _when(
    came: list[tuple[float, tuple[int, int]]], goal: tuple[int, int], otherwise: float
) -> float:
    return next((at for at, progress in came if progress >= goal > (0, 0)), otherwise)


class Caller:
    """Speaks one clip through the product's own client."""

    def __init__(self, clip: Clip, urls: list[str], *, model: str, speed: float = 1.0) -> None:
        """``speed``: 1.0 that of speech; 0: as fast as it is taken."""
        self.heard = Heard(clip)
        self.finished = asyncio.Event()
        self._urls = urls
        self._model = model
        self._speed = speed
        self._client: StreamingClient | None = None
        self._elsewhere: asyncio.Task[None] | None = None

    @property
    def live(self) -> bool:
        """Whether it has a session that is not over."""
        return bool(self.heard.session) and not self.finished.is_set()

    @property
    def token(self) -> str:
        """Of the present connection."""
        return "" if self._client is None else self._client.token

    async def call(self) -> None:
        """From hello to goodbye; how it went is in :attr:`heard`."""
        try:
            await self._converse(self._new(self._urls))
            if self._elsewhere is not None:
                await self._elsewhere
        except AsrError as error:
            self.heard.error = error
        finally:
            self.finished.set()

    def call_twice(self, url: str) -> None:
        """The same caller opens its session again elsewhere, while it is still connected here.

        From now on it listens there; that the connection here is told of it is its own end.
        """
        last = len(self.heard.finals) - 1
        second = self._new([url], session=self.heard.session, token=self.token, last_segment=last)
        self._elsewhere = asyncio.create_task(self._converse(second), name="call twice")

    async def stranger(self, url: str, token: str) -> AsrError | None:
        """Somebody tries the session with this token; what they are told."""
        client = self._new([url], session=self.heard.session, token=token)
        try:
            async with client:
                await client.opened()
        except AsrError as error:
            return error
        return None

    async def _converse(self, client: StreamingClient) -> None:
        self._client = client
        try:
            async with client, fed(client, self._source(client)):
                async for event in client:
                    if client is self._client:
                        self._note(event)
        except SessionSuperseded:
            if client is self._client:
                raise

    async def _source(self, client: StreamingClient) -> AsyncIterator[bytes]:
        start = await client.opened()
        heard = self.heard
        heard.began = heard.began or time.monotonic()
        # What was spoken while nobody was connected is due at once.
        spoken = heard.began + start / audio.BYTES_PER_SECOND
        feed = Feed(heard.clip.pieces(start))
        async for piece in paced(feed, speed=self._speed, clock=_from(spoken)):
            yield piece

    def _note(self, event: Event) -> None:
        if isinstance(event, Ready):
            self.heard.session = event.session
        now = time.monotonic() - self.heard.began if self.heard.began else 0.0
        self.heard.events.append((now, event))

    def _new(self, urls: list[str], **more: Any) -> StreamingClient:
        made: list[StreamingClient] = []
        made.append(
            StreamingClient(
                urls,
                model=self._model,
                client=self.heard.clip.name,
                resume_window=60,
                session_factory=lambda: self._recording(lambda: made[0] is self._client),
                **more,
            )
        )
        return made[0]

    def _recording(self, listening: Callable[[], bool]) -> aiohttp.ClientSession:
        """The client drops a final that comes twice; here every one that comes is written down."""
        wire = self.heard.on_the_wire

        class Recording(aiohttp.ClientWebSocketResponse):
            async def receive(self, timeout: float | None = None) -> aiohttp.WSMessage:
                message = await super().receive(timeout)
                if message.type is aiohttp.WSMsgType.TEXT and listening():
                    raw = json.loads(message.data)
                    if raw["type"] == "final":
                        wire.append(raw["segment"])
                return message

        return aiohttp.ClientSession(ws_response_class=Recording)


def _from(origin: float) -> Callable[[], float]:
    """A clock that says ``origin`` at the first look, from which `paced` counts, then the time."""
    looked = False

    def clock() -> float:
        nonlocal looked
        if not looked:
            looked = True
            return origin
        return time.monotonic()

    return clock
