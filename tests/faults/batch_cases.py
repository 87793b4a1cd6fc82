"""What is done to jobs, and what it may cost: a row each of the matrix of recordings."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import signal
import subprocess
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from asr_tasks.batch.hearing import MAX_TRIES
from asr_tasks.batch.plan import HEAR_SECONDS
from asr_tasks.contracts.jobs import JobRequest
from asr_tasks.jobs.redis_jobs import RedisJobs
from tests.faults.batch_hearing import DEADLY, FAULTY
from tests.faults.batch_world import MODEL, WORKERS, World, recording
from tests.servers.choose import Given
from tests.servers.redis import LocalRedis
from tests.support.eventually import eventually_async

SHORTEST_PIECE: Final = 15.0
IN_FLIGHT: Final = int(HEAR_SECONDS / SHORTEST_PIECE)
"""Pieces that one process has in hand at the most."""

STARTED_SECONDS: Final = 60.0
POISONED_MINUTES: Final = (6.0, 3.0)
"""Of a recording that is heard in several tasks, and of one that is all of one task."""

STRIKES_SECONDS: Final = 2.0
SHORT_STRIKES_SECONDS: Final = 1.2
"""After the first piece is heard, at the most: while there is work."""


@dataclass(slots=True)
class Strike:
    """One fault in one round.

    Attributes:
        rng: the round's own.
        made: jobs by id, with what they transcribe.
        failing: jobs that are meant to fail, with the second of the recording to blame.
        allowed: pieces that may be heard again.
        notes: what the case found wrong.
    """

    world: World
    jobs: RedisJobs
    rng: random.Random
    made: dict[str, Path] = field(default_factory=dict)
    failing: dict[str, float] = field(default_factory=dict)
    allowed: int = 0
    notes: list[str] = field(default_factory=list)

    async def create(self) -> None:
        """Have all long recordings transcribed."""
        for path in self.world.recordings:
            await self.add(path)

    async def create_short(self) -> None:
        """Have all short recordings transcribed."""
        for path in self.world.short:
            await self.add(path)

    async def add(self, path: Path) -> str:
        """Have one transcribed; its job."""
        job = await self.jobs.create(JobRequest(str(path), model=MODEL))
        self.made[job.id] = path
        return job.id

    async def under_way(self, most: float = STRIKES_SECONDS) -> None:
        """Wait for the first piece, then for a random while."""
        before = sum(self.world.heard().values())
        await eventually_async(
            lambda: sum(self.world.heard().values()) > before, within=STARTED_SECONDS
        )
        await self.pause(0.0, most)

    async def pause(self, least: float, most: float) -> None:
        """A random while."""
        await asyncio.sleep(self.rng.uniform(least, most))


@dataclass(frozen=True, slots=True)
class Case:
    """A row of the matrix: creates jobs and strikes; returns when what was killed is back."""

    name: str
    strike: Callable[[Strike], Awaitable[None]]
    needs: Callable[[World], str]


CASES: dict[str, Case] = {}


def case(
    name: str, needs: Callable[[World], str] = lambda _: ""
) -> Callable[[Callable[[Strike], Awaitable[None]]], Callable[[Strike], Awaitable[None]]]:
    """Register a strike."""

    def register(
        strike: Callable[[Strike], Awaitable[None]],
    ) -> Callable[[Strike], Awaitable[None]]:
        CASES[name] = Case(name, strike, needs)
        return strike

    return register


def own_rabbitmq(world: World) -> str:
    """Why this RabbitMQ must not be killed; empty if it may."""
    return "this RabbitMQ is not ours to kill" if isinstance(world.rabbitmq, Given) else ""


def own_redis(world: World) -> str:
    """Why this Redis must not be killed; empty if it may."""
    return "this Redis is not ours to kill" if isinstance(world.redis, Given) else ""


def own_redis_files(world: World) -> str:
    """Why Redis's files cannot be touched; empty if they can."""
    return "" if isinstance(world.redis, LocalRedis) else "needs a Redis on this machine"


@case("batch worker killed")
async def worker_killed(strike: Strike) -> None:
    """kill -9 of one of two workers and of its child; started again at once."""
    await strike.create()
    await strike.under_way()
    worker = strike.rng.choice(strike.world.workers)
    worker.process.kill9()
    strike.allowed = IN_FLIGHT
    worker.process.start()


@case("every batch worker killed")
async def every_worker_killed(strike: Strike) -> None:
    """kill -9 of all of them; they come back after a while."""
    await strike.create()
    await strike.under_way()
    for worker in strike.world.workers:
        worker.process.kill9()
    strike.allowed = IN_FLIGHT * len(WORKERS)
    await strike.pause(0.0, 2.0)
    strike.world.repair()


@case("hearing process killed")
async def child_killed(strike: Strike) -> None:
    """kill -9 of the process that hears: as out of memory does. Its worker makes another."""
    await strike.create()
    await strike.under_way()
    strike.rng.choice(strike.world.children()).kill()
    strike.allowed = IN_FLIGHT


@case("batch worker told to leave")
async def worker_leaves(strike: Strike) -> None:
    """SIGTERM: it ends what it has in hand; nothing is heard twice."""
    await strike.create()
    await strike.under_way()
    worker = strike.rng.choice(strike.world.workers)
    os.kill(worker.process.pid, signal.SIGTERM)  # as Kubernetes does: not its child
    code = await asyncio.to_thread(worker.process.wait, STARTED_SECONDS)
    if code:
        strike.notes.append(f"{worker.name} ends with {code}")
    worker.process.start()


@case("RabbitMQ killed under jobs", needs=own_rabbitmq)
async def rabbitmq_killed(strike: Strike) -> None:
    """kill -9 of the node; every message that was taken is on its disk."""
    await strike.create()
    await strike.under_way()
    await asyncio.to_thread(strike.world.rabbitmq.kill9)
    strike.allowed = IN_FLIGHT * len(WORKERS)
    await strike.pause(0.0, 1.0)
    await asyncio.to_thread(strike.world.rabbitmq.start)


@case("Redis killed under jobs", needs=own_redis)
async def redis_killed(strike: Strike) -> None:
    """kill -9; its append-only file brings it back."""
    await strike.create()
    await strike.under_way()
    await asyncio.to_thread(strike.world.redis.kill9)
    strike.allowed = IN_FLIGHT * len(WORKERS)
    await strike.pause(0.2, 2.0)
    await asyncio.to_thread(strike.world.redis.start)


@case("Redis forgets a second of work", needs=own_redis_files)
async def redis_forgets_work(strike: Strike) -> None:
    """As a power cut: cuts, and pieces that were heard, are unknown again."""
    await strike.create()
    await strike.under_way()
    await _forget_a_second(strike)


@case("Redis forgets that jobs were made", needs=own_redis_files)
async def redis_forgets_jobs(strike: Strike) -> None:
    """As a power cut within a second after the client was told that its jobs are kept."""
    await _forget_a_second(strike, strike.create)


@case("hearing process killed in short recordings")
async def child_killed_in_short(strike: Strike) -> None:
    """kill -9 of the process that begins, cuts, hears and joins a recording in one task."""
    await strike.create_short()
    await strike.under_way(SHORT_STRIKES_SECONDS)
    strike.rng.choice(strike.world.children()).kill()
    strike.allowed = IN_FLIGHT


@case("every batch worker killed in short recordings")
async def every_worker_killed_in_short(strike: Strike) -> None:
    """kill -9 of all of them while each has a whole recording in hand."""
    await strike.create_short()
    await strike.under_way(SHORT_STRIKES_SECONDS)
    for worker in strike.world.workers:
        worker.process.kill9()
    strike.allowed = IN_FLIGHT * len(WORKERS)
    await strike.pause(0.0, 2.0)
    strike.world.repair()


@case("Redis killed under short recordings", needs=own_redis)
async def redis_killed_under_short(strike: Strike) -> None:
    """kill -9; what was in hand goes on as a message, from what Redis has on its disk."""
    await strike.create_short()
    await strike.under_way(SHORT_STRIKES_SECONDS)
    await asyncio.to_thread(strike.world.redis.kill9)
    strike.allowed = IN_FLIGHT * len(WORKERS)
    await strike.pause(0.2, 2.0)
    await asyncio.to_thread(strike.world.redis.start)


@case("a recording kills who hears it")
async def deadly_recording(strike: Strike) -> None:
    """Each time, with the whole process: its job fails, the others do not notice."""
    await _poisoned(strike, "deadly")


@case("a recording breaks the recogniser")
async def faulty_recording(strike: Strike) -> None:
    """An error of the model, each time: its job fails, the others do not notice."""
    await _poisoned(strike, "faulty")


async def _poisoned(strike: Strike, which: str) -> None:
    sound = DEADLY if which == "deadly" else FAULTY
    await strike.create()
    for minutes in POISONED_MINUTES:
        path = strike.world.folder / f"{which}-{minutes:g}.flac"
        if not path.exists():
            recording(path, minutes, seed=99, sound=sound)
        strike.failing[await strike.add(path)] = minutes * 30
        # The pieces beside it are heard together with it once, and alone; it itself to its last
        # try.
        strike.allowed += IN_FLIGHT + MAX_TRIES


async def _forget_a_second(
    strike: Strike, meanwhile: Callable[[], Awaitable[None]] | None = None
) -> None:
    server = strike.world.redis
    assert isinstance(server, LocalRedis)
    before = server.folder.with_name("redis-before")
    shutil.rmtree(before, ignore_errors=True)
    heard = sum(strike.world.heard().values())
    await asyncio.to_thread(_copy, server.folder, before)
    if meanwhile is not None:
        await meanwhile()
    await strike.pause(0.0, 0.9)
    await asyncio.to_thread(server.kill9)
    forgotten = sum(strike.world.heard().values()) - heard
    strike.allowed = forgotten + IN_FLIGHT * len(WORKERS)
    shutil.rmtree(server.folder / "appendonlydir", ignore_errors=True)
    for name in ("appendonlydir", "appendonly.aof"):
        if (before / name).exists():
            _copy(before / name, server.folder / name)
    await asyncio.to_thread(server.start)


def _copy(source: Path, target: Path) -> None:
    # `cp`, not shutil: files grow and vanish while Redis writes them.
    subprocess.run(["cp", "-r", str(source), str(target)], check=False, capture_output=True)
