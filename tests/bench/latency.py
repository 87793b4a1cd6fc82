"""What the way through gateway, broker and worker adds to a chunk's answer.

The recogniser answers at once (the catalogue's kind ``echo``); the floor is a WebSocket server
that answers by itself, measured by the same callers in the same run.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.bench.load import Caller, speak
from tests.bench.report import Row, spread
from tests.servers.choose import Server
from tests.servers.ports import free_port, wait_for_port
from tests.servers.process import ServerProcess
from tests.support.cluster import ROOT, Cluster, running

SESSIONS = (1, 10, 50)
CATALOGUE = """
[models.echo]
kind = "echo"
slots = 64
final_every = 2.0
"""


def rows(rabbitmq: Server, redis: Server, folder: Path, *, quick: bool) -> Iterator[Row]:
    """Floor and system at each number of sessions, and the difference."""
    seconds = 5.0 if quick else 20.0
    catalogue = folder / "catalogue.toml"
    catalogue.write_text(CATALOGUE)
    cluster = Cluster(rabbitmq.url, redis.url, folder, {"ASR_CATALOGUE": str(catalogue)})
    port = free_port()
    floor = ServerProcess(
        [sys.executable, "-m", "tests.bench.echo", str(port)],
        env={},
        log=folder / "echo.log",
        cwd=ROOT,
    )
    floor.start()
    try:
        wait_for_port(port, within=10)
        with running(cluster):
            cluster.allocator("allocator")
            cluster.monitor()
            gateway = cluster.gateway("gateway")
            cluster.worker("worker-echo-0", model="echo", slots=64)
            cluster.wait_ready()
            _measure(gateway.port, 1, 1.0)  # the first call of each process pays for imports
            for sessions in SESSIONS:
                direct = _measure(port, sessions, seconds)
                system = _measure(gateway.port, sessions, seconds)
                yield {"what": f"{sessions} sessions, direct echo", **spread(direct)}
                yield {"what": f"{sessions} sessions, the whole system", **spread(system)}
                yield {"what": f"{sessions} sessions, added", **_added(direct, system)}
    finally:
        floor.stop()


def _measure(port: int, sessions: int, seconds: float) -> list[float]:
    url = f"http://127.0.0.1:{port}/v1/stream?model=echo"
    callers: list[Caller] = asyncio.run(speak(url, sessions, seconds))
    return [latency for caller in callers for latency in caller.latencies]


def _added(direct: list[float], system: list[float]) -> Row:
    """Differences of the percentiles (not percentiles of differences)."""
    low, high = spread(direct), spread(system)
    return {name: round(high[name] - low[name], 2) for name in ("p50_ms", "p90_ms", "p99_ms")}
