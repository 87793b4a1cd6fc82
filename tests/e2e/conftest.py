"""The system in its own processes, as production runs it, shared by the tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.servers.choose import Server
from tests.support.cluster import Cluster, running


@pytest.fixture(scope="package")
def cluster(
    rabbitmq: Server, redis_process: Server, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Cluster]:
    """Two gateways, two allocators, one monitor, two workers of eight slots."""
    made = Cluster(rabbitmq.url, redis_process.url, tmp_path_factory.mktemp("cluster"))
    with running(made):
        made.allocator("allocator-0")
        made.allocator("allocator-1")
        made.monitor()
        made.worker("english-0")
        made.worker("english-1")
        made.gateway("gateway-0")
        made.gateway("gateway-1")
        made.wait_ready()
        yield made
