"""How many real-time streams this machine carries through the whole system with the demo model.

A number of streams is carried when the machine keeps up: after the last word the rest of the
transcript comes within a bounded time, because nothing has piled up. The ceiling is the bare NeMo
pipeline on the same frames, in as many processes as there are workers.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.bench.load import Caller, speak
from tests.bench.processor import Meter, processes
from tests.bench.recordings import cut, voices
from tests.bench.report import Row, spread
from tests.servers.choose import Server
from tests.support.cluster import ROOT, Cluster, running

MODEL = "english"
CHUNK_SECONDS = 0.1
FIRST, MOST = 16.0, 400.0
"""Streams that are tried first, and at most."""
LATEST_TAIL = 1.5
"""Seconds after the end of stream within which 95 of 100 transcripts are complete."""


def rows(rabbitmq: Server, redis: Server, folder: Path, *, quick: bool) -> Iterator[Row]:
    """The ceiling, then more and more streams until the machine falls behind."""
    seconds = 10.0 if quick else 30.0
    workers = os.cpu_count() or 1
    ceiling = _bare(workers, streams=16, seconds=seconds)
    yield {
        "what": f"bare pipeline, {workers} processes of 16",
        "streams": round(ceiling),
        "worker %": round(100 * workers / ceiling, 2),
    }
    carried = 0
    for streams in _ladder(quick=quick):
        place = folder / f"{streams}-streams"
        place.mkdir()
        callers, row = _rung(rabbitmq, redis, place, workers, streams, seconds)
        keeps_up = _p95([caller.tail for caller in callers]) <= LATEST_TAIL
        yield {"what": f"{streams} streams" + ("" if keeps_up else ": falls behind"), **row}
        if not keeps_up:
            break
        carried = streams
    yield {"what": f"carried; {carried / ceiling:.2f} of the bare pipeline", "streams": carried}


def _ladder(*, quick: bool) -> Iterator[int]:
    """Numbers of streams to try, each a quarter (quick: a half) more than the last."""
    streams = FIRST
    while streams < MOST:
        yield round(streams)
        streams *= 1.5 if quick else 1.25


def _rung(
    rabbitmq: Server, redis: Server, folder: Path, workers: int, streams: int, seconds: float
) -> tuple[list[Caller], Row]:
    """One number of streams on a fresh cluster, whose workers just have the slots: sessions go
    to the lowest worker that has one free, so spare slots would leave the last worker idle.
    """
    cluster = Cluster(rabbitmq.url, redis.url, folder)
    with running(cluster):
        cluster.allocator("allocator")
        cluster.monitor()
        gateway = cluster.gateway("gateway")
        for index in range(workers):
            slots = -(-streams // workers)
            cluster.worker(f"worker-english-{index}", model=MODEL, slots=slots)
        cluster.wait_ready()
        _call(gateway.port, workers, 2.0)
        meter = Meter(processes(cluster, rabbitmq, redis))
        callers = _call(gateway.port, streams, seconds)
        busy, parts = meter.cores(), meter.percent_a_stream(streams * seconds)
    tails = spread([caller.tail for caller in callers])
    return callers, {
        "streams": streams,
        "tail p50/p99 ms": f"{tails['p50_ms']:.0f} / {tails['p99_ms']:.0f}",
        "partial p50/p99 ms": _partials(callers),
        "cores busy": busy,
        **parts,
    }


def _call(port: int, streams: int, seconds: float) -> list[Caller]:
    url = f"http://127.0.0.1:{port}/v1/stream?model={MODEL}"
    scripts = [cut(voice, CHUNK_SECONDS) for voice in voices(streams, seconds)]
    return asyncio.run(speak(url, scripts, CHUNK_SECONDS, over=2.0))


def _bare(processes: int, *, streams: int, seconds: float) -> float:
    """Seconds of audio a second of all processes at once."""
    command = [sys.executable, "-m", "tests.bench.bare", MODEL, str(streams), str(seconds)]
    running = [
        subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=ROOT
        )
        for _ in range(processes)
    ]
    return sum(
        float(process.communicate(timeout=600)[0].strip().splitlines()[-1]) for process in running
    )


def _partials(callers: list[Caller]) -> str:
    """How old the last chunk a partial has heard is; the model's chunk and look-ahead included."""
    spent = spread([latency for caller in callers for latency in caller.answers] or [0.0])
    return f"{spent['p50_ms']:.0f} / {spent['p99_ms']:.0f}"


def _p95(values: list[float]) -> float:
    return sorted(values)[int(0.95 * (len(values) - 1))]
