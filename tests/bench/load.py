"""Callers: many WebSocket sessions that speak at real-time pace and time what comes back."""

from __future__ import annotations

import asyncio
import json
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import aiohttp

from asr_tasks.contracts.audio import BYTES_PER_SAMPLE, SAMPLE_RATE

READY_SECONDS = 60.0
DRAIN_SECONDS = 60.0


@dataclass(slots=True)
class Caller:
    """One session that speaks ``chunks`` at the pace of ``chunk_seconds`` each.

    Attributes:
        answers: seconds from sending a chunk to the first partial that has heard it.
        finals: seconds from sending the chunk in which an utterance ended to its final.
        tail: seconds from the end of stream to the last message.
    """

    chunks: Sequence[bytes]
    chunk_seconds: float
    answers: list[float] = field(default_factory=list)
    finals: list[float] = field(default_factory=list)
    tail: float = 0.0
    streaming: asyncio.Event = field(default_factory=asyncio.Event)
    _sent: list[float] = field(default_factory=list)
    _answered: int = 0
    _ended: float = 0.0
    _done: bool = False

    async def call(self, http: aiohttp.ClientSession, url: str, begin: asyncio.Event) -> None:
        """Connect, wait for ``begin``, speak, say goodbye.

        Raises:
            RuntimeError: the session did not end well.
        """
        async with http.ws_connect(url, max_msg_size=0) as ws, asyncio.TaskGroup() as group:
            listening = group.create_task(self._listen(ws))
            await self._reach_worker()
            await begin.wait()
            first = time.perf_counter()
            for index, pcm in enumerate(self.chunks):
                delay = first + index * self.chunk_seconds - time.perf_counter()
                await asyncio.sleep(max(delay, 0))
                self._sent.append(time.perf_counter())
                await ws.send_bytes(pcm)
            self._ended = time.perf_counter()
            await ws.send_str('{"type":"end"}')
            async with asyncio.timeout(DRAIN_SECONDS):
                await listening
        if not self._done:
            raise RuntimeError("the connection ended before the session did")

    async def _reach_worker(self) -> None:
        async with asyncio.timeout(READY_SECONDS):
            await self.streaming.wait()

    async def _listen(self, ws: aiohttp.ClientWebSocketResponse) -> None:
        async for message in ws:
            self._take(json.loads(message.data), time.perf_counter())
            if self._done:
                self.tail = time.perf_counter() - self._ended

    def _take(self, event: Mapping[str, object], now: float) -> None:
        match event:
            case {"type": "state", "state": "streaming"}:
                self.streaming.set()
            case {"type": "partial", "end": float(end) | int(end)}:
                # One answer may speak for several chunks; each counts from its own sending.
                heard = min(math.floor(end / self.chunk_seconds + 1e-3), len(self._sent))
                self.answers += [now - at for at in self._sent[self._answered : heard]]
                self._answered = max(self._answered, heard)
            case {"type": "final", "end": float(end) | int(end)}:
                last = math.ceil(end / self.chunk_seconds - 1e-3) - 1
                if 0 <= last < len(self._sent):
                    self.finals.append(now - self._sent[last])
            case {"type": "done"}:
                self._done = True
            case {"type": "error"}:
                raise RuntimeError(str(event))


def silence(seconds: float, chunk_seconds: float) -> list[bytes]:
    """Chunks of digital silence."""
    pcm = bytes(round(SAMPLE_RATE * chunk_seconds) * BYTES_PER_SAMPLE)
    return [pcm] * round(seconds / chunk_seconds)


async def speak(
    url: str, scripts: Sequence[Sequence[bytes]], chunk_seconds: float = 0.1, *, over: float = 0.1
) -> list[Caller]:
    """One caller a script, all at once; they begin evenly spread over ``over`` seconds, so that
    neither their chunks nor their utterances end in step.

    Raises:
        ExceptionGroup: a session did not end well.
    """
    callers = [Caller(script, chunk_seconds) for script in scripts]
    starts = [asyncio.Event() for _ in callers]
    async with (
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http,
        asyncio.TaskGroup() as group,
    ):
        for caller, start in zip(callers, starts, strict=True):
            group.create_task(caller.call(http, url, start))
        async with asyncio.timeout(READY_SECONDS):
            for caller in callers:
                await caller.streaming.wait()
        for start in starts:
            start.set()
            await asyncio.sleep(over / len(callers))
    return callers
