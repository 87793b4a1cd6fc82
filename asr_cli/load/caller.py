"""One of many callers: speaks until told to hang up, and calls again when a call was lost."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from types import TracebackType
from typing import Any, Final, Protocol, Self

from asr_cli.audio import BYTES_PER_SECOND, PIECE
from asr_cli.client import Event, fed
from asr_cli.load.call import Call
from asr_cli.load.figures import Figures
from asr_cli.pace import paced
from asr_tasks.contracts.errors import AsrError, BackendDown, BadRequest

FIRST_WAIT: Final = 1.0
LONGEST_WAIT: Final = 8.0
"""Seconds before a caller whose call was lost calls again, doubling, half of it by chance."""


class Session(Protocol):
    """A client of one of the gateway's protocols, used as an asynchronous context manager."""

    async def opened(self) -> int:
        """Wait for the greeting."""
        ...

    async def send(self, pcm: bytes) -> None:
        """Append audio, PCM16LE, 16 kHz mono."""
        ...

    async def end(self) -> None:
        """Say that it is over."""
        ...

    def __aiter__(self) -> AsyncIterator[Event]:
        """Events until :class:`~asr_cli.client.Done`."""
        ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> Any: ...


class Caller:
    """Calls, speaks the recording again and again, hangs up, calls again.

    Args:
        dial: makes a session that is not entered yet.
        speech: PCM16LE, 16 kHz mono, at least one chunk of 0.1 s.
        offset: byte of it to begin with, so that callers do not speak in chorus.
        length: seconds of a call; 0: until told to hang up.
        figures: what all callers write to.
    """

    def __init__(
        self,
        dial: Callable[[], Session],
        speech: bytes,
        figures: Figures,
        *,
        offset: int = 0,
        length: float = 0.0,
    ) -> None:
        self._dial = dial
        self._speech = speech
        self._figures = figures
        self._offset = offset
        self._length = length
        self._leaving = asyncio.Event()
        self._limit: asyncio.Timeout | None = None

    def hang_up(self, within: float) -> None:
        """End the call; what is not done within so many seconds is cut."""
        self._leaving.set()
        if self._limit is not None and not self._limit.expired():
            self._limit.reschedule(asyncio.get_running_loop().time() + within)

    async def run(self) -> None:
        """Call until told to hang up.

        Raises:
            BadRequest: the gateway will not have such a call, now or later.
        """
        wait = FIRST_WAIT
        while not self._leaving.is_set():
            if await self._call():
                wait = FIRST_WAIT
                continue
            try:
                async with asyncio.timeout(wait * random.uniform(0.5, 1.0)):
                    await self._leaving.wait()
            except TimeoutError:
                wait = min(LONGEST_WAIT, wait * 2)

    async def _call(self) -> bool:
        """One call; whether it ended well."""
        call, session = Call(self._figures), self._dial()
        try:
            async with (
                asyncio.timeout(None) as self._limit,
                session,
                fed(session, self._speak(session, call)),
            ):
                async for event in session:
                    call.see(event)
        except TimeoutError:
            self._figures.cut += 1
        except AsrError as error:
            self._blame(error, opened=call.opened)
            if isinstance(error, BadRequest):
                raise
        finally:
            self._limit = None
            call.close()
        return call.done

    async def _speak(self, session: Session, call: Call) -> AsyncIterator[bytes]:
        await session.opened()
        call.begin()
        async for piece in paced(self._pieces(), speed=1.0, clock=self._figures.clock):
            call.send(len(piece))
            yield piece
        call.end()

    async def _pieces(self) -> AsyncIterator[bytes]:
        at, spoken = self._offset, 0
        while not self._leaving.is_set():
            if self._length and spoken >= self._length * BYTES_PER_SECOND:
                return
            piece = self._speech[at : at + PIECE]
            at = at + PIECE if at + 2 * PIECE <= len(self._speech) else 0
            spoken += len(piece)
            yield piece

    def _blame(self, error: AsrError, *, opened: bool) -> None:
        # BackendDown before the greeting is the client's own word for "nobody answers".
        if opened or isinstance(error, BackendDown):
            self._figures.failed += 1
        else:
            self._figures.refused += 1
        self._figures.blame(error.code, str(error))
