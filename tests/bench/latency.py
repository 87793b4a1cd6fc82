"""What the way through gateway, broker and worker adds to a chunk's answer.

The recogniser answers at once (the catalogue's kind ``echo``); the floor is a WebSocket server
that answers by itself, measured by the same callers in the same run.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.bench.load import Caller, silence, speak
from tests.bench.processor import Meter, processes
from tests.bench.report import Row, spread
from tests.servers.choose import Server
from tests.servers.ports import free_port, wait_for_port
from tests.servers.process import ServerProcess
from tests.support.cluster import ROOT, Cluster, running

SESSIONS = (1, 10, 50)
CHUNK_SECONDS = 0.1
# Finals fall inside a chunk: a chunk that ends with one is answered by the final alone.
CATALOGUE = """
[models.echo]
kind = "echo"
slots = 64
final_every = 2.003
"""


def rows(rabbitmq: Server, redis: Server, folder: Path, *, quick: bool) -> Iterator[Row]:
    """Floor and system at each number of sessions, and the difference."""
    seconds = 5.0 if quick else 20.0
    catalogue = folder / "catalogue.toml"
    catalogue.write_text(CATALOGUE)
    cluster = Cluster(rabbitmq.url, redis.url, folder, {"ASR_CATALOGUE": str(catalogue)})
    with _floor(folder) as floor, running(cluster):
        cluster.allocator("allocator")
        cluster.monitor()
        gateway = cluster.gateway("gateway")
        cluster.worker("worker-echo-0", model="echo", slots=64)
        cluster.wait_ready()
        meter = Meter(processes(cluster, rabbitmq, redis))
        _call(gateway.port, 1, 1.0)  # the first call of each process pays for its imports
        for sessions in SESSIONS:
            direct = _answers(_call(floor, sessions, seconds))
            meter.start()
            callers = _call(gateway.port, sessions, seconds)
            parts = meter.percent_a_stream(sessions * seconds)
            system = _answers(callers)
            finals = [latency for caller in callers for latency in caller.finals]
            yield {"what": f"{sessions} sessions, direct echo", **spread(direct)}
            yield {"what": f"{sessions} sessions, the whole system", **spread(system)}
            yield {"what": f"{sessions} sessions, added", **_added(direct, system), **parts}
            yield {"what": f"{sessions} sessions, finals (committed first)", **spread(finals)}


@contextlib.contextmanager
def _floor(folder: Path) -> Iterator[int]:
    """The direct echo; its port."""
    port = free_port()
    process = ServerProcess(
        [sys.executable, "-m", "tests.bench.echo", str(port)],
        env={},
        log=folder / "echo.log",
        cwd=ROOT,
    )
    process.start()
    try:
        wait_for_port(port, within=10)
        yield port
    finally:
        process.stop()


def _call(port: int, sessions: int, seconds: float) -> list[Caller]:
    url = f"http://127.0.0.1:{port}/v1/stream?model=echo"
    scripts = [silence(seconds, CHUNK_SECONDS)] * sessions
    return asyncio.run(speak(url, scripts, CHUNK_SECONDS, over=2.0))


def _answers(callers: list[Caller]) -> list[float]:
    """Of all callers; the very last chunk may be answered by a final alone.

    Raises:
        RuntimeError: chunks were not answered.
    """
    for caller in callers:
        if len(caller.answers) < len(caller.chunks) - 1:
            raise RuntimeError(f"{len(caller.answers)} of {len(caller.chunks)} chunks answered")
    return [latency for caller in callers for latency in caller.answers]


def _added(direct: list[float], system: list[float]) -> Row:
    """Differences of the percentiles (not percentiles of differences)."""
    low, high = spread(direct), spread(system)
    return {name: round(high[name] - low[name], 2) for name in ("p50_ms", "p90_ms", "p99_ms")}
