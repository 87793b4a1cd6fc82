"""The client of one session: its audio on the way in, whether it is there, what it is doing."""

from __future__ import annotations

import asyncio

from asr_tasks import log
from asr_tasks.contracts.errors import AsrError, AudioAfterEnd
from gateway.buffer import AudioBuffer
from gateway.client_state import ClientState, move
from gateway.events import LAST, Event, Failed
from gateway.ingest import Ingest
from gateway.meter import Meter
from gateway.outlet import ClientGone, Outlet
from gateway.session_start import Start

_log = log.get(__name__)


class Client:
    """Belongs to a session, which closes ingest and buffer; owns the client's state."""

    def __init__(
        self, start: Start, outlet: Outlet, ingest: Ingest, buffer: AudioBuffer, meter: Meter
    ) -> None:
        self.state = ClientState.SENDING if start.ended is None else ClientState.ENDED
        self._id = start.id
        self._resume_seconds = start.resume_seconds
        self._outlet: Outlet | None = outlet
        self._ingest = ingest
        self._buffer = buffer
        self._meter = meter
        self._greeted = asyncio.Event()
        self._feeding = False
        self._farewell = False
        self._loop = asyncio.get_running_loop()
        self._last_audio = self._away_since = self._loop.time()

    @property
    def connected(self) -> bool:
        """Whether it is there."""
        return self._outlet is not None

    async def feed(self, data: bytes) -> None:
        """Take a message of audio; waits while the session has enough of it. What comes from a
        client that is told its last event is dropped.

        Raises:
            AudioAfterEnd: after :meth:`end`.
            BadAudio: not audio of the declared format.
        """
        if self._outlet is None or self._farewell:
            return
        if self.state is not ClientState.SENDING:
            raise AudioAfterEnd
        began = self._loop.time()
        self._meter.audio_came(began)
        self._feeding = True
        try:
            await self._ingest.feed(data)
        finally:
            self._feeding = False
            self._last_audio = self._loop.time()
        self._meter.audio_taken(len(data), self._last_audio - began)

    async def end(self) -> list[str]:
        """No more audio comes; again is harmless.

        Returns:
            Codes of warnings for the client.

        Raises:
            BadAudio: what came is no audio.
        """
        if self.state is not ClientState.SENDING:
            return []
        self._move(ClientState.ENDED)
        try:
            return await self._ingest.finish()
        finally:
            self._buffer.end()

    def greeted(self) -> None:
        """It knows of its session."""
        self._greeted.set()

    async def until_greeted(self) -> None:
        """Wait until it knows of its session, or is gone."""
        await self._greeted.wait()

    async def tell(self, event: Event) -> None:
        """Tell it, if it is there; if that fails its connection is gone, see :meth:`detach`."""
        if self._outlet is not None:
            self._farewell |= isinstance(event, LAST)
            try:
                await self._outlet.tell(event)
            except ClientGone:
                self.detach()

    def give_up(self) -> None:
        """It made a mistake and is being told: what was accepted is transcribed."""
        self._outlet = None
        self._greeted.set()
        self._let_go(window=0.0)

    def detach(self) -> None:
        """Its connection is gone; it may come back."""
        self._outlet = None
        self._greeted.set()
        self._let_go(window=self._resume_seconds)

    async def dismiss(self, error: AsrError) -> None:
        """Tell it the error; the session goes to its end without it, and it does not come back."""
        outlet, self._outlet = self._outlet, None
        # Before it is told: that may take long, and its connection, which closes meanwhile, must
        # not count as one that broke and may come back.
        self._let_go(window=0.0)
        if outlet is not None:
            try:
                await outlet.tell(Failed(error.code, str(error)))
            except ClientGone:
                _log.debug("the client was gone already", session=self._id)

    def close(self) -> None:
        """This gateway has nothing more to do with the session."""
        if self.state is not ClientState.CLOSED:
            self._move(ClientState.CLOSED)

    def silent(self, now: float, limit: float) -> bool:
        """Whether it has sent nothing for longer than ``limit`` seconds, though it should: not
        while we do not read what it sends, nor after its last event.
        """
        if self.state is not ClientState.SENDING or self._feeding or self._farewell:
            return False
        return now - self._last_audio > limit

    def end_absence(self, now: float) -> None:
        """If it has been away for longer than its resume window it does not come back."""
        if self.state is ClientState.AWAY and now - self._away_since > self._resume_seconds:
            self._end_alone()

    def _let_go(self, window: float) -> None:
        match self.state:
            case ClientState.SENDING if window > 0:
                self._away_since = self._loop.time()
                self._move(ClientState.AWAY)
            case ClientState.SENDING:
                self._move(ClientState.AWAY)
                self._end_alone()
            case ClientState.ENDED:
                self._move(ClientState.ALONE)

    def _end_alone(self) -> None:
        self._move(ClientState.ALONE)
        self._ingest.close()
        self._buffer.end()

    def _move(self, new: ClientState) -> None:
        self.state = move(self.state, new)
