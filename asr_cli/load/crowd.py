"""All the callers of a load: they come one after another, stay, and hang up together."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import Final, Literal

from asr_cli.audio import BYTES_PER_SECOND, PIECE
from asr_cli.client import StreamingClient
from asr_cli.client.kaldi import KaldiClient
from asr_cli.load.caller import Caller, Session
from asr_cli.load.figures import Figures
from asr_tasks.contracts.errors import BadRequest

Protocol = Literal["native", "kaldi"]

DRAIN_SECONDS: Final = 30.0
"""For the last words, when the time is over; what is not done then counts as cut."""

INTERRUPTED_SECONDS: Final = 3.0
"""The same after Ctrl-C."""

GIVE_UP_SECONDS: Final = 10.0
"""A session that nobody serves for so long is lost."""

LOOK_SECONDS: Final = 1.0
_GOLDEN: Final = 0.6180339887


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do.

    Attributes:
        url: of the gateway, ``ws://HOST:PORT``, without a path.
        speech: PCM16LE, 16 kHz mono, at least 0.1 s, spoken again and again.
        sessions: at a time.
        seconds: with all of them there; ``ramp`` more until they are.
        call: seconds of a call, after which the caller calls again; 0: all the time.
    """

    url: str
    speech: bytes
    sessions: int
    seconds: float
    ramp: float = 0.0
    call: float = 0.0
    model: str = "english"
    protocol: Protocol = "native"


class Crowd:
    """A run of the plan; one event loop."""

    def __init__(self, plan: Plan, figures: Figures) -> None:
        self._plan = plan
        self._figures = figures
        self._callers = [
            Caller(
                self._dial,
                plan.speech,
                figures,
                offset=self._offset(number),
                length=plan.call,
            )
            for number in range(plan.sessions)
        ]
        self._stop = asyncio.Event()
        self.interrupted = False

    def interrupt(self) -> None:
        """Hang up, give the last words a moment; the second time: none."""
        self._hang_up(0.0 if self.interrupted else INTERRUPTED_SECONDS)
        self.interrupted = True

    async def run(self, look: Callable[[], None]) -> None:
        """Carry the plan out; ``look`` is called every second.

        Raises:
            BadRequest: the gateway will have none of these calls.
        """
        self._figures.begin()
        try:
            async with _every(LOOK_SECONDS, look), asyncio.TaskGroup() as group:
                clock = group.create_task(self._end_in_time())
                for number, caller in enumerate(self._callers):
                    await self._until(number * self._plan.ramp / len(self._callers))
                    group.create_task(self._run(caller), name=f"caller {number}")
                await clock
        except ExceptionGroup as failed:
            # Not `except*`: before Python 3.11.4 what is raised in it comes out wrapped.
            refused = failed.subgroup(BadRequest)
            if refused is None:
                raise
            raise _first(refused) from failed
        finally:
            self._figures.end()

    async def _run(self, caller: Caller) -> None:
        if not self._stop.is_set():
            await caller.run()

    async def _end_in_time(self) -> None:
        await self._until(self._plan.ramp + self._plan.seconds)
        if not self._stop.is_set():
            self._hang_up(DRAIN_SECONDS)

    async def _until(self, seconds: float) -> None:
        """Wait for that moment of the run, or for its end."""
        left = seconds - self._figures.elapsed
        if left > 0:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self._stop.wait()

    def _hang_up(self, within: float) -> None:
        self._stop.set()
        for caller in self._callers:
            caller.hang_up(within)

    def _dial(self) -> Session:
        plan, traffic = self._plan, self._figures.traffic
        if plan.protocol == "kaldi":
            return KaldiClient(plan.url, model=plan.model, client="load", traffic=traffic)
        return StreamingClient(
            [plan.url], model=plan.model, client="load", give_up=GIVE_UP_SECONDS, traffic=traffic
        )

    def _offset(self, number: int) -> int:
        """Evenly spread over the recording, whatever the number of callers."""
        return int(number * _GOLDEN % 1.0 * (len(self._plan.speech) // PIECE)) * PIECE


@contextlib.contextmanager
def interruptible(crowd: Crowd) -> Iterator[None]:
    """Ctrl-C hangs up instead of ending the program."""
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGINT, crowd.interrupt)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGINT)


@contextlib.asynccontextmanager
async def _every(seconds: float, look: Callable[[], None]) -> AsyncIterator[None]:
    async def repeat() -> None:
        while True:
            await asyncio.sleep(seconds)
            look()

    looking = asyncio.create_task(repeat(), name="progress")
    try:
        yield
    finally:
        looking.cancel()
        (outcome,) = await asyncio.gather(looking, return_exceptions=True)
    if isinstance(outcome, Exception):
        raise outcome


def _first(group: ExceptionGroup[BadRequest]) -> BadRequest:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    assert isinstance(error, BadRequest)
    return error


def speech(pieces: Iterator[bytes], longest: float) -> bytes:
    """The first ``longest`` seconds of a recording, at least one chunk: a short one is filled up
    with silence.
    """
    pcm = bytearray()
    for piece in pieces:
        pcm += piece
        if len(pcm) >= longest * BYTES_PER_SECOND:
            break
    pcm += bytes(-len(pcm) % PIECE) or (bytes(PIECE) if not pcm else b"")
    return bytes(pcm)
