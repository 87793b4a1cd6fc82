"""Which servers the tests use: given ones, Docker, local programs; in this order."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

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
        """Refuse.

        Raises:
            PermissionError: always.
        """
        raise PermissionError(f"{urlsplit(self.url).hostname} is not ours to kill")

    def stop(self) -> None:
        """Nothing: it is not ours."""


@contextlib.contextmanager
def rabbitmq(folder: Path) -> Iterator[Server]:
    """A RabbitMQ for as long as the block lasts."""
    with _running(_choose_rabbitmq(folder)) as server:
        yield server


@contextlib.contextmanager
def redis(folder: Path) -> Iterator[Server]:
    """A Redis for as long as the block lasts."""
    with _running(_choose_redis(folder)) as server:
        yield server


@contextlib.contextmanager
def _running(server: Server) -> Iterator[Server]:
    server.start()
    try:
        yield server
    finally:
        server.stop()


def _choose_rabbitmq(folder: Path) -> Server:
    from tests.servers import docker

    if url := os.environ.get("ASR_BROKER_URL"):
        return Given(url)
    if docker.has_image(docker.RABBITMQ_IMAGE):
        return docker.DockerRabbitMQ()
    if LocalRabbitMQ.available():
        return LocalRabbitMQ(folder)
    raise FileNotFoundError("no RabbitMQ: set ASR_BROKER_URL, start Docker, or run `make servers`")


def _choose_redis(folder: Path) -> Server:
    from tests.servers import docker

    if url := os.environ.get("ASR_REDIS_URL"):
        return Given(url)
    if docker.has_image(docker.REDIS_IMAGE):
        return docker.DockerRedis()
    if LocalRedis.available():
        return LocalRedis(folder)
    raise FileNotFoundError("no Redis: set ASR_REDIS_URL, start Docker, or run `make servers`")
