"""RabbitMQ and Redis in containers, through testcontainers, where a Docker daemon answers."""

from __future__ import annotations

import contextlib
import functools
import os
from typing import Any

from tests.servers.ports import free_port, wait_for_port

RABBITMQ_IMAGE = os.environ.get("ASR_TEST_RABBITMQ_IMAGE", "rabbitmq:4")
REDIS_IMAGE = os.environ.get("ASR_TEST_REDIS_IMAGE", "redis:7")
START_SECONDS = 60.0
PULL_SECONDS = 300


@functools.cache
def has_image(name: str) -> bool:
    """Whether a daemon answers and has the image, or can pull it."""
    import docker

    try:
        client = docker.from_env(timeout=PULL_SECONDS)
        client.ping()
    except (docker.errors.DockerException, OSError):
        return False  # no daemon: the ordinary case on a plain machine
    with contextlib.closing(client):
        try:
            client.images.get(name)
        except docker.errors.ImageNotFound:
            try:
                client.images.pull(name)
            except (docker.errors.DockerException, OSError):
                return False
    return True


class _Container:
    """A container on a fixed loopback port, so that a restart is found where it was."""

    def __init__(self, image: str, inside: int) -> None:
        # The reaper is another image; these containers are stopped by their fixture.
        os.environ.setdefault("TESTCONTAINERS_RYUK_DISABLED", "true")
        from testcontainers.core.container import DockerContainer

        self.port = free_port()
        self._container: Any = DockerContainer(image)
        # with_bind_ports knows no address and would open the port to the network.
        self._container.ports[f"{inside}/tcp"] = ("127.0.0.1", self.port)
        self._created = False

    def start(self) -> None:
        """Start it, the first time or after a kill."""
        if self._created:
            self._container.get_wrapped_container().start()
        else:
            self._container.start()
            self._created = True
        wait_for_port(self.port, within=START_SECONDS)
        self._wait_ready()

    def kill9(self) -> None:
        """SIGKILL to its first process."""
        self._container.get_wrapped_container().kill("SIGKILL")

    def stop(self) -> None:
        """Remove it."""
        self._container.stop()

    def _wait_ready(self) -> None:
        raise NotImplementedError


class DockerRabbitMQ(_Container):
    """The broker in a container."""

    def __init__(self) -> None:
        super().__init__(RABBITMQ_IMAGE, 5672)
        self.url = f"amqp://guest:guest@127.0.0.1:{self.port}//"

    def _wait_ready(self) -> None:
        # Docker's proxy accepts before the broker does: only a login tells.
        import amqp

        from tests.support.eventually import eventually

        def logged_in() -> bool:
            try:
                connection = amqp.Connection(f"127.0.0.1:{self.port}", connect_timeout=2)
                connection.connect()
                connection.close()
            except (OSError, amqp.AMQPError):
                return False
            return True

        eventually(logged_in, within=START_SECONDS, every=0.2)


class DockerRedis(_Container):
    """Redis in a container."""

    def __init__(self) -> None:
        super().__init__(REDIS_IMAGE, 6379)
        self.url = f"redis://127.0.0.1:{self.port}/0"

    def _wait_ready(self) -> None:
        import redis

        from tests.support.eventually import eventually

        def answers() -> bool:
            try:
                return bool(redis.Redis.from_url(self.url).ping())
            except redis.RedisError:
                return False

        eventually(answers, within=START_SECONDS, every=0.1)
