"""`python -m tests.bench.batch [PART …]`: recordings, as a table and as JSON.

throughput: NeMo's own transcribe() on some files, with all cores and in one thread, which is what a
worker has; then the same files as jobs, 1 and 2 workers.
memory: of a worker over one file of hours. live: what calls feel of recordings beside them.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import psutil

from asr_tasks.contracts.jobs import Job
from tests.bench import archive, machine, report
from tests.bench.jobs import transcribed
from tests.bench.load import Caller, speak
from tests.bench.recordings import cut, voices
from tests.bench.report import Row, spread
from tests.servers import choose
from tests.support.cluster import ROOT, Cluster, running
from tests.support.eventually import eventually, eventually_async

PARTS = ("throughput", "memory", "live")
MODEL = "english"
BATCHES = (1, 4, 16)
"""Batch sizes of transcribe(): held against the best."""

CALLS = 8
CHUNK_SECONDS = 0.1
MIB = 2**20
MODEL_MIB = 600.0
"""A worker that has loaded NeMo is larger than this; without, 200."""

WARM_SECONDS = 300.0


def main() -> None:
    """Measure the parts one after another on servers of our own."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.batch", description=__doc__)
    parser.add_argument("parts", nargs="*", default=PARTS, metavar="PART", help=" ".join(PARTS))
    parser.add_argument("--quick", action="store_true", help="minutes instead of an hour")
    parser.add_argument("--json", type=Path, default=Path("bench-results"), metavar="FOLDER")
    options = parser.parse_args()
    if unknown := set(options.parts) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    # As Ctrl-C: what was started is taken down.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    about = machine.describe()
    print(*(f"{name}: {value}" for name, value in about.items()), sep="\n", flush=True)
    parts = {"throughput": throughput, "memory": memory, "live": live}
    with (
        tempfile.TemporaryDirectory(prefix="asr-bench-") as name,
        choose.rabbitmq(Path(name) / "rabbitmq") as rabbitmq,
        choose.redis(Path(name) / "redis") as redis,
    ):
        for part in options.parts:
            folder = Path(name) / part
            folder.mkdir()
            cluster = Cluster(rabbitmq.url, redis.url, folder)
            rows = list(parts[part](cluster, folder, quick=options.quick))
            report.show(part, rows)
            print(report.write(options.json, f"batch-{part}", about, rows), flush=True)


def throughput(cluster: Cluster, folder: Path, *, quick: bool) -> Iterator[Row]:
    """The same files through transcribe() and through batch workers."""
    for kind, shortest, longest in archive.KINDS[:1] if quick else archive.KINDS:
        paths = archive.files(folder / kind, shortest, longest, 120.0 if quick else 1800.0)
        audio = sum(map(archive.duration, paths))
        best = 0.0
        for batch in BATCHES[1:2] if quick else BATCHES:
            rate = _bare(batch, paths)
            best = max(best, rate)
            yield {"what": f"{kind}: transcribe(), batches of {batch}", "x real time": rate}
        alone = max(_bare(batch, paths, threads=1) for batch in BATCHES[:2])
        yield {"what": f"{kind}: transcribe() in one thread", "x real time": alone}
        for workers in (1, 2):
            with running(cluster):
                _warm(cluster, workers, paths[0])
                rate = audio / asyncio.run(transcribed(cluster, paths))
            cluster.components.clear()
            yield {
                "what": f"{kind}: jobs, {workers} workers",
                "files": len(paths),
                "audio s": round(audio),
                "x real time": round(rate, 1),
                "of transcribe()": round(rate / best, 2),
                "of one thread's": round(rate / alone, 2),
            }


def memory(cluster: Cluster, folder: Path, *, quick: bool) -> Iterator[Row]:
    """A worker's memory while it transcribes one long file."""
    hours = 0.25 if quick else 4.0
    path = archive.hours(folder / "long.flac", hours)
    seen: list[tuple[float, float]] = []

    with running(cluster):
        _warm(cluster, 1, archive.files(folder / "warm", 20.0, 30.0, 30.0)[0])
        pid = cluster.components[0].process.pid

        def look(jobs: Sequence[Job]) -> None:
            heard = sum(job.heard for job in jobs) / 3600
            seen.append((heard, _resident(pid)))

        seconds = asyncio.run(transcribed(cluster, [path], look))
    for begin, end in ((0.0, 0.25), (0.25, 0.5), (0.5, 0.75), (0.75, 1.01)):
        quarter = [size for heard, size in seen if begin <= heard / hours < end]
        if quarter:
            yield {
                "what": f"{hours:g} hours, from {begin:.0%} to {min(end, 1):.0%} heard",
                "most MiB": round(max(quarter)),
                "x real time": round(hours * 3600 / seconds, 1),
            }


def live(cluster: Cluster, folder: Path, *, quick: bool) -> Iterator[Row]:
    """Calls alone, then the same calls while a batch worker transcribes all the time."""
    seconds = 15.0 if quick else 60.0
    path = archive.hours(folder / "long.flac", 0.5 if quick else 2.0)
    with running(cluster):
        cluster.allocator("allocator")
        cluster.monitor()
        gateway = cluster.gateway("gateway")
        cluster.worker("worker-english-0", model=MODEL, slots=CALLS)
        cluster.wait_ready()
        _call(gateway.port, 2.0)
        yield {"what": f"{CALLS} calls alone", **_partials(_call(gateway.port, seconds))}
        _warm(cluster, 1, archive.files(folder / "warm", 20.0, 30.0, 30.0)[0])
        callers, heard = asyncio.run(_beside(cluster, gateway.port, path, seconds))
        yield {
            "what": f"{CALLS} calls beside recordings",
            **_partials(callers),
            "batch x real time": round(heard / seconds, 1),
        }


async def _beside(
    cluster: Cluster, port: int, path: Path, seconds: float
) -> tuple[list[Caller], float]:
    """The calls, and how many seconds of the recording were heard meanwhile."""
    heard = [0.0]

    def look(jobs: Sequence[Job]) -> None:
        heard[0] = sum(job.heard for job in jobs)

    work = asyncio.create_task(transcribed(cluster, [path], look))
    try:
        await eventually_async(lambda: heard[0] > 0 or work.done(), within=WARM_SECONDS)
        before = heard[0]
        callers = await speak(_url(port), _scripts(seconds), CHUNK_SECONDS, over=2.0)
        if work.done():
            raise RuntimeError("the recording was too short: it ended before the calls")
        return callers, heard[0] - before
    finally:
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)


def _warm(cluster: Cluster, workers: int, path: Path) -> None:
    """Start batch workers; each has loaded its model when this returns."""
    for index in range(workers):
        cluster.batch_worker(f"batch-{index}", MODEL)
    workers_made = [one for one in cluster.components if one.name.startswith("batch")]

    def all_large() -> bool:
        # Which worker takes a job is the broker's choice.
        asyncio.run(transcribed(cluster, [path] * workers * 2))
        return all(_resident(one.process.pid) > MODEL_MIB for one in workers_made)

    eventually(all_large, within=WARM_SECONDS)


def _resident(pid: int) -> float:
    """MiB of a worker and the processes that hear for it."""
    parent = psutil.Process(pid)
    sizes = [parent.memory_info().rss]
    for child in parent.children(recursive=True):
        try:
            sizes.append(child.memory_info().rss)
        except psutil.NoSuchProcess:
            continue
    return sum(sizes) / MIB


def _bare(batch: int, paths: Sequence[Path], threads: int = 0) -> float:
    """Seconds of audio a second, in so many threads; 0: as many as torch likes."""
    command = [sys.executable, "-m", "tests.bench.bare_offline", MODEL, str(batch)]
    done = subprocess.run(
        [*command, *map(str, paths)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=ROOT,
        check=True,
        env={
            **os.environ,
            "HF_HUB_OFFLINE": "1",
            **({"OMP_NUM_THREADS": str(threads)} if threads else {}),
        },
    )
    return float(done.stdout.strip().splitlines()[-1])


def _call(port: int, seconds: float) -> list[Caller]:
    return asyncio.run(speak(_url(port), _scripts(seconds), CHUNK_SECONDS, over=2.0))


def _url(port: int) -> str:
    return f"http://127.0.0.1:{port}/v1/stream?model={MODEL}"


def _scripts(seconds: float) -> list[list[bytes]]:
    return [cut(voice, CHUNK_SECONDS) for voice in voices(CALLS, seconds)]


def _partials(callers: Sequence[Caller]) -> Row:
    return spread([latency for caller in callers for latency in caller.answers])


if __name__ == "__main__":
    main()
