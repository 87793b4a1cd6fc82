"""Fixtures of all tests: real servers, started once, private, stopped by pid."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from tests.servers import choose
from tests.servers.choose import Server


@pytest.fixture(autouse=True)
def _logging_stays_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    # A command configures logging for its process; run inside the tests' own that would outlive it
    # and write to an output that is closed by then.
    monkeypatch.setattr("asr_tasks.log.configure", lambda *_, **__: None)


@pytest.fixture(scope="session")
def rabbitmq(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A RabbitMQ for the whole run; tests use queue names of their own."""
    with choose.rabbitmq(_folder(tmp_path_factory, "rabbitmq")) as server:
        yield server


@pytest.fixture(scope="session")
def redis_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A Redis for the whole run."""
    with choose.redis(_folder(tmp_path_factory, "redis")) as server:
        yield server


@pytest.fixture
def redis_server(redis_process: Server) -> Server:
    """The Redis, emptied."""
    with redis.Redis.from_url(redis_process.url) as client:
        client.flushdb()
    return redis_process


def _folder(factory: pytest.TempPathFactory, name: str) -> Path:
    return factory.mktemp(name)
