"""Callers through the product's client: each checks what it was told."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Final

from asr_cli.audio import BYTES_PER_SECOND
from asr_cli.client import Done, Event, Partial
from tests.soak.network import Network, network
from tests.soak.speech import Speech
from tests.support.calls import Call, call

CUTS: Final = (1, 3)


class Wrong(Exception):
    """A caller was told something else than it should have been."""


@dataclass(frozen=True, slots=True)
class Line:
    """What a caller needs.

    Attributes:
        gateways: the ports of all.
        speeches: what there is to say.
    """

    gateways: Sequence[int]
    speeches: Sequence[Speech]

    @property
    def urls(self) -> list[str]:
        """Of all gateways."""
        return [f"http://127.0.0.1:{port}" for port in self.gateways]


async def whole(line: Line, rng: random.Random) -> str:
    """Says everything, and hears what is heard of it alone. Returns what it was."""
    speech = rng.choice(line.speeches)
    _same(speech, await call(line.urls, speech.pcm))
    return speech.name


async def cut(line: Line, rng: random.Random) -> str:
    """The same over a network that breaks in the middle of words: resumed, no word is missing."""
    speech = rng.choice([one for one in line.speeches if one.seconds > 10])
    async with _networks(line) as networks:
        breaks = rng.randint(*CUTS)
        cutting = asyncio.create_task(_cut(networks, rng, breaks, speech.seconds))
        try:
            made = await call([n.url for n in networks], speech.pcm)
        finally:
            cutting.cancel()
            await asyncio.gather(cutting, return_exceptions=True)
    _same(speech, made)
    return f"{speech.name}, {made.breaks} breaks"


async def silence(line: Line, rng: random.Random) -> str:
    """Says nothing for a while: hears nothing, and a good end."""
    seconds = rng.choice([0.0, 0.1, 2.0, 8.0, 20.0])
    made = await call(line.urls, bytes(int(seconds * BYTES_PER_SECOND) // 2 * 2))
    if made.finals or not isinstance(made.events[-1], Done):
        raise Wrong(f"{seconds} s of silence were heard as {made.text}")
    return f"{seconds} s"


@contextlib.asynccontextmanager
async def _networks(line: Line) -> AsyncIterator[list[Network]]:
    async with contextlib.AsyncExitStack() as stack:
        yield [await stack.enter_async_context(network(port)) for port in line.gateways]


async def _cut(networks: Sequence[Network], rng: random.Random, times: int, seconds: float) -> None:
    for _ in range(times):
        await asyncio.sleep(rng.uniform(0.5, seconds / times))
        for each in networks:
            each.cut()


def _same(speech: Speech, made: Call) -> None:
    """The words and their times.

    Raises:
        Wrong: a word or a time differs.
    """
    if made.words != speech.words:
        told = [type(e).__name__ if not isinstance(e, Done) else str(e) for e in _turns(made)]
        raise Wrong(
            f"session {made.session}: {speech.name} was heard as {made.words},"
            f" alone as {speech.words}; {made.breaks} breaks; events {told}"
        )


def _turns(made: Call) -> list[Event]:
    """What happened but partials."""
    return [event for event in made.events if not isinstance(event, Partial)]
