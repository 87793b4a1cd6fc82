"""A worker that needs no model: it says how loud each second was, and keeps all the rules.

It reads the session's real queue (through a small port), claims, commits to the real Redis with
the product's own scripts, publishes results, acknowledges. What it says depends on the samples
alone, so a transcript shows every lost, doubled or altered sample.
"""

from __future__ import annotations

import asyncio
import functools
import time
import traceback
import zlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Protocol

from asr_tasks.contracts import names
from asr_tasks.contracts.audio import Chunk
from asr_tasks.contracts.errors import AsrError, StaleLease
from asr_tasks.contracts.lease import Checkpoint, Lease
from asr_tasks.contracts.results import Kind, Message, Result
from asr_tasks.state.redis_sessions import RedisSessions
from asr_tasks.state.sessions import Ending, StoreDown
from gateway.allocation import Allocation

RATE = 16_000
SEGMENT = 2 * RATE
"""Samples of one final."""

STORE_SECONDS = 10.0
"""How long a commit is repeated while Redis is away."""


def spoken(pcm: bytes) -> str:
    """What the fake recogniser hears in some samples."""
    return f"{zlib.crc32(pcm):08x}"


def transcript(pcm: bytes) -> list[str]:
    """The finals of a whole recording."""
    step = SEGMENT * 2
    return [spoken(pcm[at : at + step]) for at in range(0, len(pcm), step)]


class WorkerQueues(Protocol):
    """A worker's side of one session's queues."""

    async def receive(self) -> Chunk: ...
    async def publish(self, message: Message) -> None: ...
    async def ack_until(self, position: int) -> None: ...
    async def close(self) -> None: ...


OpenQueues = Callable[[str], Awaitable[WorkerQueues]]


@dataclass
class FakeAllocator:
    """Implements :class:`gateway.allocation.Allocator` with workers in this event loop."""

    sessions: RedisSessions
    open_queues: OpenQueues
    slots: int = 100
    refusal: AsrError | None = None
    running: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    answered: list[str] = field(default_factory=list)
    slow: float = 0.0
    """Seconds that the recogniser takes per chunk."""

    async def allocate(self, session: str, model: str) -> Allocation:
        self.answered.append(session)
        if self.refusal is not None:
            raise self.refusal
        if len([task for task in self.running.values() if not task.done()]) >= self.slots:
            return Allocation(position=1)
        if session not in self.running:
            self.assign(session)
        return Allocation("worker-0")

    def assign(self, session: str) -> None:
        """Give the session (again) to a fresh worker."""
        redis = self.sessions._redis
        key = names.session_key(session)
        epoch = int(redis.hincrby(key, "epoch", 1))
        redis.hset(key, mapping={"state": "assigned", "worker": "worker-0"})
        lease = Lease(session, "worker-0", epoch)
        self.running[session] = asyncio.create_task(self._work(lease), name=f"fake {session}")

    def kill(self, session: str) -> None:
        """The worker dies where it stands."""
        self.running.pop(session).cancel()

    async def ready(self) -> bool:
        return self.refusal is None

    async def close(self) -> None:
        for task in self.running.values():
            task.cancel()
        await asyncio.gather(*self.running.values(), return_exceptions=True)

    async def _work(self, lease: Lease) -> None:
        queues = await self.open_queues(lease.session)
        try:
            await _Stream(lease, queues, RedisSessions(self.sessions._redis), self.slow).run()
        except StaleLease:
            return
        except Exception:
            traceback.print_exc()
            raise
        finally:
            await queues.close()


class _Stream:
    def __init__(
        self, lease: Lease, queues: WorkerQueues, sessions: RedisSessions, slow: float
    ) -> None:
        self._lease = lease
        self._queues = queues
        self._sessions = sessions
        self._slow = slow
        self._early: dict[int, Chunk] = {}

    async def run(self) -> None:
        claim = await asyncio.to_thread(self._sessions.claim, self._lease)
        self._serial = claim.commits
        self._position = self._committed = claim.checkpoint.position
        self._segments = claim.segments
        self._audio = b""
        await self._say(Kind.WORKING, worker=self._lease.worker)
        while not await self._step(await self._queues.receive()):  # noqa: ASYNC110
            await asyncio.sleep(self._slow)

    async def _step(self, chunk: Chunk) -> bool:
        if chunk.eos and chunk.start <= self._position:
            await self._end()
            return True
        if chunk.start > self._position:
            self._early[chunk.start] = chunk
            return False
        chunk = chunk.after(self._position)
        self._audio += chunk.pcm
        self._position = max(self._position, chunk.end)
        while len(self._audio) >= SEGMENT * 2:
            await self._commit(self._audio[: SEGMENT * 2])
            self._audio = self._audio[SEGMENT * 2 :]
        if self._audio:
            await self._say(
                Kind.PARTIAL, index=self._segments, result=Result(f"… {len(self._audio) // 3200}")
            )
        early = [start for start in self._early if start <= self._position]
        for start in sorted(early):
            if await self._step(self._early.pop(start)):
                return True
        return False

    async def _commit(self, pcm: bytes) -> None:
        start = self._committed
        self._committed += len(pcm) // 2
        result = Result(spoken(pcm), start / RATE, self._committed / RATE, final=True)
        index = self._segments
        self._serial += 1
        commit = functools.partial(
            self._sessions.commit,
            self._lease,
            self._serial,
            [result],
            Checkpoint(self._committed),
            first=index,
            ended=False,
        )
        self._segments = await _insist(commit)
        await self._say(Kind.FINAL, index=index, result=result)
        await self._queues.ack_until(self._committed)

    async def _end(self) -> None:
        if self._audio:
            await self._commit(self._audio)
        duration = self._position / RATE
        ending = Ending("done", duration, "eos")
        segments = await _insist(
            functools.partial(self._sessions.finish, self._lease, ending, commits=self._serial)
        )
        await self._say(Kind.END, segments=segments, duration=duration, reason="eos")
        await self._queues.ack_until(self._committed)

    async def _say(self, kind: Kind, **fields: object) -> None:
        await self._queues.publish(Message(kind, self._lease.epoch, **fields))  # type: ignore[arg-type]


async def _insist(call: Callable[[], int]) -> int:
    """Repeat a write, verbatim, while Redis is away; its serial makes it take effect once."""
    deadline = time.monotonic() + STORE_SECONDS
    while True:
        try:
            return await asyncio.to_thread(call)
        except StoreDown:
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(0.05)
