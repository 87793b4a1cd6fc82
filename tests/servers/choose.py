"""Which servers the tests use: given ones, Docker, local programs; in this order."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

import pytest

from tests.servers import docker
from tests.servers.rabbitmq import LocalRabbitMQ
from tests.servers.redis import LocalRedis


class Server(Protocol):
    """A server a test may kill."""

    url: str

    def start(self) -> None:
        """Start it again after a kill."""
        ...

    def kill9(self) -> None:
        """Die at once."""
        ...

    def stop(self) -> None:
        """End it for good."""
        ...


class Given:
    """A server somebody else runs; it must not be killed, so fault tests skip."""

    def __init__(self, url: str) -> None:
        self.url = url

    def start(self) -> None:
        """Nothing: it runs."""

    def kill9(self) -> None:
        """Skip the test that asks for it."""
        pytest.skip(f"{urlsplit(self.url).hostname} is not ours to kill")

    def stop(self) -> None:
        """Nothing: it is not ours."""


@contextlib.contextmanager
def rabbitmq(folder: Path) -> Iterator[Server]:
    """A RabbitMQ for as long as the block lasts."""
    with _running(_choose_rabbitmq(), folder) as server:
        yield server


@contextlib.contextmanager
def redis(folder: Path) -> Iterator[Server]:
    """A Redis for as long as the block lasts."""
    with _running(_choose_redis(), folder) as server:
        yield server


@contextlib.contextmanager
def _running(way: Callable[[Path], Server] | None, folder: Path) -> Iterator[Server]:
    if way is None:
        raise FileNotFoundError(f"{missing()}: run `make servers`, or see docs/testing.md")
    server = way(folder)
    try:
        server.start()
        yield server
    finally:
        server.stop()


def missing() -> list[str]:
    """What no way leads to, as names of Debian packages."""
    ways = {"rabbitmq-server": _choose_rabbitmq, "redis-server": _choose_redis}
    return [package for package, way in ways.items() if way() is None]


def _choose_rabbitmq() -> Callable[[Path], Server] | None:
    if url := os.environ.get("ASR_BROKER_URL"):
        return lambda _: Given(url)
    if docker.has_image(docker.RABBITMQ_IMAGE):
        return lambda _: docker.DockerRabbitMQ()
    return LocalRabbitMQ if LocalRabbitMQ.available() else None


def _choose_redis() -> Callable[[Path], Server] | None:
    if url := os.environ.get("ASR_REDIS_URL"):
        return lambda _: Given(url)
    if docker.has_image(docker.REDIS_IMAGE):
        return lambda _: docker.DockerRedis()
    return LocalRedis if LocalRedis.available() else None
