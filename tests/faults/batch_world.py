"""Recordings under fault: real servers, batch workers in processes, a model that says checksums.

The transcript holds a checksum of every second, so a sample that is lost, doubled or displaced
shows as another text.
"""

from __future__ import annotations

import contextlib
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import amqp
import numpy as np
import psutil
import redis
import soundfile
from celery import Celery
from kombu.utils.url import parse_url
from numpy.typing import NDArray

from asr_tasks.catalogue import Catalogue
from asr_tasks.contracts import names
from asr_tasks.contracts.audio import SAMPLE_RATE
from asr_tasks.contracts.transcript import Transcript
from asr_tasks.jobs.launch import by_celery
from asr_tasks.jobs.redis_jobs import RedisJobs
from tests.faults.batch_hearing import HEARD_FILE, PACE
from tests.servers import choose
from tests.servers.choose import Server
from tests.support.cluster import Cluster, Component, running
from tests.support.eventually import eventually

WORKERS = ("batch-0", "batch-1")
MODEL = "echo"
CATALOGUE = f'[models.{MODEL}]\nkind = "echo"\nlanguage = "en"\n'
MINUTES = (9, 7, 11, 5)
"""Of the recordings that are transcribed in most rounds: all too long for one task."""

SHORT_MINUTES = (1.0, 2.5, 0.5, 3.5, 1.5, 3.0, 2.0, 2.5)
"""Of those in rounds of short ones: each is one task."""

HEARING = 0.004
"""Seconds a worker needs for a second of audio."""

STALL_SECONDS = 15.0
READY_SECONDS = 180.0
LEVEL = 9000


@dataclass(slots=True)
class World:
    """Everything a fault can strike, and the recordings."""

    rabbitmq: Server
    redis: Server
    cluster: Cluster
    app: Celery
    folder: Path
    recordings: list[Path]
    short: list[Path]

    def jobs(self) -> RedisJobs:
        """Jobs as their clients see them; close it."""
        catalogue = Catalogue.load(self.folder / "catalogue.toml")
        launch = by_celery(self.app.send_task)
        return RedisJobs.connect(self.redis.url, launch, catalogue, expires=600)

    @property
    def workers(self) -> list[Component]:
        """The batch workers."""
        return self.cluster.components

    def children(self) -> list[psutil.Process]:
        """The processes that hear."""
        found = []
        for worker in self.workers:
            if worker.process.alive:
                found += psutil.Process(worker.process.pid).children()
        return found

    def repair(self) -> None:
        """Start every worker that is dead, and wait until all take tasks."""
        for worker in self.workers:
            if not worker.process.alive:
                worker.process.start()
        eventually(self._all_consume, within=READY_SECONDS, every=0.2)

    def heard(self) -> Counter[str]:
        """How often each piece was given to the recogniser."""
        path = self.folder / "heard"
        return Counter(path.read_text().split() if path.exists() else ())

    def forget(self) -> None:
        """Begin to count anew."""
        (self.folder / "heard").unlink(missing_ok=True)

    def left_behind(self) -> list[str]:
        """What jobs that are over should not have left."""
        with redis.Redis.from_url(self.redis.url, decode_responses=True) as client:
            live = client.smembers(names.LIVE_JOBS_KEY)
            keys = [key for key in client.scan_iter("asr:job:*") if client.ttl(key) < 0]
        waiting = [f"{count} messages in {name}" for name, count in self._queues() if count]
        return [*(f"live {job}" for job in sorted(live)), *sorted(keys), *waiting]

    def _all_consume(self) -> bool:
        with self._channel() as channel:
            queue = names.batch_queue(MODEL)
            consumers = channel.queue_declare(queue, passive=True).consumer_count
        return consumers == len(self.workers) and len(self.children()) == len(self.workers)

    def _queues(self) -> Iterator[tuple[str, int]]:
        for name in (names.BATCH_QUEUE, names.batch_queue(MODEL)):
            with self._channel() as channel:
                yield name, channel.queue_declare(name, passive=True).message_count

    @contextlib.contextmanager
    def _channel(self) -> Iterator[amqp.Channel]:
        url = parse_url(self.rabbitmq.url)
        with (
            amqp.Connection(f"{url['hostname']}:{url['port']}") as connection,
            connection.channel() as channel,
        ):
            yield channel


@contextlib.contextmanager
def world(folder: Path) -> Iterator[World]:
    """All of it, ready, for as long as the block lasts."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "catalogue.toml").write_text(CATALOGUE)
    with (
        choose.rabbitmq(folder / "rabbitmq") as rabbitmq,
        choose.redis(folder / "redis") as redis_server,
        Celery(broker=rabbitmq.url) as app,
        running(Cluster(rabbitmq.url, redis_server.url, folder)) as cluster,
    ):
        app.conf.broker_transport_options = {"confirm_publish": True}
        cluster.environment |= {
            "ASR_CATALOGUE": str(folder / "catalogue.toml"),
            "ASR_CARETAKER_SECONDS": "0.5",
            "ASR_BATCH_STALL_SECONDS": str(STALL_SECONDS),
            HEARD_FILE: str(folder / "heard"),
            PACE: str(HEARING),
        }
        for name in WORKERS:
            cluster.batch_worker(name, MODEL, ("-I", "tests.faults.batch_watched"))
        recordings = [
            recording(folder / f"recording-{n}.flac", minutes, seed=n)
            for n, minutes in enumerate((*MINUTES, *SHORT_MINUTES))
        ]
        long, short = recordings[: len(MINUTES)], recordings[len(MINUTES) :]
        made = World(rabbitmq, redis_server, cluster, app, folder, long, short)
        eventually(lambda: _declared(made), within=READY_SECONDS, every=0.2)
        made.repair()
        yield made


def recording(
    path: Path, minutes: float, *, seed: int, sound: NDArray[np.float32] | None = None
) -> Path:
    """Noise with pauses; with a sound of :mod:`batch_hearing` in its middle, if given."""
    rng = np.random.default_rng(seed)
    audio = rng.integers(-LEVEL, LEVEL, round(minutes * 60 * SAMPLE_RATE)).astype(np.int16)
    for at in range(17, round(minutes * 60), 19):
        audio[at * SAMPLE_RATE : round((at + 0.5) * SAMPLE_RATE)] = 0
    if sound is not None:
        middle = round(minutes * 30 * SAMPLE_RATE)
        audio[middle : middle + len(sound)] = np.rint(sound * 32768).astype(np.int16)
    soundfile.write(path, audio, SAMPLE_RATE, subtype="PCM_16")
    return path


def unheard(transcript: Transcript, path: Path) -> float:
    """Seconds of the recording that the transcript does not hold, or holds twice or wrong."""
    audio, _ = soundfile.read(path, dtype="int16")
    wrong, position = 0.0, 0.0
    for utterance in transcript.utterances:
        for word in utterance.words:
            part = audio[round(word.start * SAMPLE_RATE) : round(word.end * SAMPLE_RATE)]
            if word.text != f"{zlib.crc32(part.tobytes()):08x}":
                wrong += word.end - word.start
            wrong += abs(word.start - position)
            position = word.end
    return wrong + abs(len(audio) / SAMPLE_RATE - position)


def _declared(made: World) -> bool:
    try:
        return made.left_behind() is not None
    except amqp.NotFound:
        return False
