"""What operators would type at the servers."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

from tests.faults.world import World
from tests.servers.choose import Given, Server
from tests.servers.rabbitmq import LocalRabbitMQ
from tests.servers.redis import LocalRedis

CTL = (Path("/usr/lib/rabbitmq/bin/rabbitmqctl"), Path("/opt/rabbitmq/sbin/rabbitmqctl"))


def own_rabbitmq(world: World) -> str:
    """Why this RabbitMQ must not be killed; empty if it may."""
    return "this RabbitMQ is not ours to kill" if isinstance(world.rabbitmq, Given) else ""


def own_node(world: World) -> str:
    """Why rabbitmqctl cannot be used; empty if it can."""
    ours = isinstance(world.rabbitmq, LocalRabbitMQ) and _ctl() is not None
    return "" if ours else "needs a RabbitMQ node on this machine, with rabbitmqctl"


def own_redis(world: World) -> str:
    """Why this Redis must not be killed; empty if it may."""
    return "this Redis is not ours to kill" if isinstance(world.redis, Given) else ""


def own_redis_files(world: World) -> str:
    """Why Redis's files cannot be touched; empty if they can."""
    return "" if isinstance(world.redis, LocalRedis) else "needs a Redis on this machine"


def rabbitmqctl(server: Server) -> Callable[..., Awaitable[None]]:
    """Runs rabbitmqctl on a node of ours (:func:`own_node`)."""
    binary = _ctl()
    assert isinstance(server, LocalRabbitMQ)
    assert binary is not None

    async def run(*arguments: str) -> None:
        process = await asyncio.create_subprocess_exec(
            str(binary),
            *arguments,
            env={**os.environ, **server.env},
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        _, said = await asyncio.wait_for(process.communicate(), 30)
        if process.returncode:
            raise RuntimeError(f"rabbitmqctl {arguments[0]}: {said.decode()[-500:]}")

    return run


def _ctl() -> Path | None:
    return next((path for path in CTL if path.exists()), None)
