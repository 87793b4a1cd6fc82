"""Faults of RabbitMQ, of Redis, and of the way to them."""

from __future__ import annotations

import asyncio
import shutil
import signal
import subprocess
from pathlib import Path

from tests.faults.case import Strike, case
from tests.faults.tools import own_node, own_rabbitmq, own_redis, own_redis_files, rabbitmqctl
from tests.servers.redis import LocalRedis


@case("RabbitMQ killed and restarted", resumes=3.0, seconds=14.0, needs=own_rabbitmq)
async def rabbitmq_killed(strike: Strike) -> None:
    """kill -9 of the node; what was confirmed is on its disk."""
    server = strike.world.rabbitmq
    await asyncio.to_thread(server.kill9)
    strike.now()
    await strike.pause(0.0, 1.0)
    await asyncio.to_thread(server.start)
    strike.returned()


@case("RabbitMQ's connections cut", longest=2.0)
async def rabbitmq_cut(strike: Strike) -> None:
    """Every connection to it reset at once."""
    strike.world.network.do(strike.world.broker_link.cut)
    strike.now()


@case("RabbitMQ's connections stalled", resumes=3.0, seconds=14.0, alone=True)
async def rabbitmq_stalled(strike: Strike) -> None:
    """No packet passes, nobody is told; then everything that was held back comes at once."""
    link = strike.world.broker_link
    strike.world.network.do(link.stall)
    strike.now()
    await strike.pause(3.0, 8.0)
    strike.world.network.do(link.flow)
    strike.returned()


@case("RabbitMQ's memory alarm", resumes=3.0, needs=own_node)
async def rabbitmq_alarm(strike: Strike) -> None:
    """It blocks whoever publishes; clients are slowed down, nothing is dropped."""
    ctl = rabbitmqctl(strike.world.rabbitmq)
    await ctl("set_vm_memory_high_watermark", "0.0001")
    strike.now()
    await strike.pause(2.0, 4.0)
    await ctl("set_vm_memory_high_watermark", "0.6")
    strike.returned()


@case("Redis killed and restarted", resumes=3.0, needs=own_redis)
async def redis_killed(strike: Strike) -> None:
    """kill -9; its append-only file brings it back."""
    server = strike.world.redis
    await asyncio.to_thread(server.kill9)
    strike.now()
    await strike.pause(0.2, 2.0)
    await asyncio.to_thread(server.start)
    strike.returned()


@case("Redis loses its last second", resumes=3.0, needs=own_redis_files)
async def redis_loses_a_second(strike: Strike) -> None:
    """As a power cut: it comes back as it was up to a second before."""
    server = strike.world.redis
    assert isinstance(server, LocalRedis)
    before = server.folder.with_name("redis-before")
    shutil.rmtree(before, ignore_errors=True)
    await asyncio.to_thread(_copy, server.folder, before)
    await strike.pause(0.5, 1.0)
    await asyncio.to_thread(server.kill9)
    strike.now()
    shutil.rmtree(server.folder / "appendonlydir", ignore_errors=True)
    for name in ("appendonlydir", "appendonly.aof"):
        if (before / name).exists():
            _copy(before / name, server.folder / name)
    await asyncio.to_thread(server.start)
    strike.returned()


@case("Redis stalled", resumes=3.0, seconds=14.0, alone=True)
async def redis_stalled(strike: Strike) -> None:
    """SIGSTOP: it accepts and answers nothing."""
    server = strike.world.redis
    process = getattr(server, "process", None)
    if process is None:
        strike.world.network.do(strike.world.redis_link.stall)
    else:
        process.signal(signal.SIGSTOP)
    strike.now()
    await strike.pause(4.0, 10.0)
    if process is None:
        strike.world.network.do(strike.world.redis_link.flow)
    else:
        process.signal(signal.SIGCONT)
    strike.returned()


@case("Redis's scripts flushed", median=0.3, longest=2.0, alone=True)
async def redis_scripts_flushed(strike: Strike) -> None:
    """As after a failover to a replica: EVALSHA answers NOSCRIPT."""
    strike.world.store.script_flush()
    strike.now()


@case("Redis's connections cut", longest=2.0)
async def redis_cut(strike: Strike) -> None:
    """Every connection to it reset at once."""
    strike.world.network.do(strike.world.redis_link.cut)
    strike.now()


def _copy(source: Path, target: Path) -> None:
    # `cp`, not shutil: files grow and vanish while Redis writes them.
    subprocess.run(["cp", "-r", str(source), str(target)], check=False, capture_output=True)
