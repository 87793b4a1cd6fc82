"""What operators would type at the servers."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from tests.servers.choose import Server
from tests.servers.rabbitmq import LocalRabbitMQ

CTL = (Path("/usr/lib/rabbitmq/bin/rabbitmqctl"), Path("/opt/rabbitmq/sbin/rabbitmqctl"))


def rabbitmqctl(server: Server) -> Callable[..., Awaitable[None]]:
    """Runs rabbitmqctl on a node of ours; skips the test where the node is not."""
    binary = next((path for path in CTL if path.exists()), None)
    if not isinstance(server, LocalRabbitMQ) or binary is None:
        pytest.skip("needs a RabbitMQ node of our own")

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
