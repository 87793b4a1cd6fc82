"""Callers: many WebSocket sessions that speak at real-time pace and time what comes back."""

from __future__ import annotations

import asyncio
import json
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

import aiohttp

from asr_tasks.contracts.audio import BYTES_PER_SAMPLE, SAMPLE_RATE

READY_SECONDS = 30.0
DRAIN_SECONDS = 10.0


@dataclass(slots=True)
class Caller:
    """One session; ``latencies``: seconds from sending a chunk to the first answer about it."""

    chunk_seconds: float
    latencies: list[float] = field(default_factory=list)
    _sent: deque[tuple[float, float]] = field(default_factory=deque)
    _streaming: asyncio.Event = field(default_factory=asyncio.Event)
    _done: asyncio.Event = field(default_factory=asyncio.Event)

    async def call(
        self, http: aiohttp.ClientSession, url: str, chunks: int, begin: asyncio.Event
    ) -> None:
        """Connect, wait for ``begin``, speak ``chunks`` chunks, say goodbye."""
        pcm = bytes(round(SAMPLE_RATE * self.chunk_seconds) * BYTES_PER_SAMPLE)
        async with http.ws_connect(url, max_msg_size=0) as ws, asyncio.TaskGroup() as group:
            group.create_task(self._listen(ws))
            async with asyncio.timeout(READY_SECONDS):
                await self._streaming.wait()
            await begin.wait()
            first = time.perf_counter()
            for index in range(chunks):
                delay = first + index * self.chunk_seconds - time.perf_counter()
                await asyncio.sleep(max(delay, 0))
                self._sent.append(((index + 1) * self.chunk_seconds, time.perf_counter()))
                await ws.send_bytes(pcm)
            await ws.send_str('{"type":"end"}')
            async with asyncio.timeout(DRAIN_SECONDS):
                await self._done.wait()
            await ws.close()

    async def _listen(self, ws: aiohttp.ClientWebSocketResponse) -> None:
        async for message in ws:
            now = time.perf_counter()
            self._take(json.loads(message.data), now)
        self._done.set()

    def _take(self, event: Mapping[str, object], now: float) -> None:
        match event:
            case {"type": "state", "state": "streaming"}:
                self._streaming.set()
            case {"type": "partial", "end": float(end) | int(end)}:
                # One answer may speak for several chunks; each counts from its own sending.
                while self._sent and self._sent[0][0] <= end + 1e-3:
                    self.latencies.append(now - self._sent.popleft()[1])
            case {"type": "done"}:
                self._done.set()
            case {"type": "error"}:
                raise RuntimeError(str(event))


async def speak(
    url: str, sessions: int, seconds: float, *, chunk_seconds: float = 0.1
) -> list[Caller]:
    """``sessions`` callers at once for ``seconds`` seconds; every chunk was answered.

    Raises:
        RuntimeError: a session ended with an error, or an answer is missing.
    """
    chunks = round(seconds / chunk_seconds)
    callers = [Caller(chunk_seconds) for _ in range(sessions)]
    starts = [asyncio.Event() for _ in callers]
    async with (
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http,
        asyncio.TaskGroup() as group,
    ):
        for caller, start in zip(callers, starts, strict=True):
            group.create_task(caller.call(http, url, chunks, start))
        for caller in callers:
            async with asyncio.timeout(READY_SECONDS):
                await caller._streaming.wait()
        for start in starts:
            # Callers do not breathe in step.
            start.set()
            await asyncio.sleep(chunk_seconds / sessions)
    answered = sum(len(caller.latencies) for caller in callers)
    if answered != sessions * chunks:
        raise RuntimeError(f"{answered} of {sessions * chunks} chunks were answered")
    return callers
