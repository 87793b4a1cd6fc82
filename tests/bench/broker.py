"""The choices that only the broker decides: AMQP client, queue type, chunk length."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from typing import Any

import amqp
import psutil

from asr_tasks.contracts.audio import BYTES_PER_SAMPLE, SAMPLE_RATE
from tests.bench.publishers import CLIENTS
from tests.bench.report import Row, spread

SESSIONS = 50
CHUNK_SECONDS = 0.1


def rows(url: str, broker_pid: int | None, *, quick: bool) -> Iterator[Row]:
    """One row a combination, measured one after another."""
    seconds = 3.0 if quick else 10.0
    for client in CLIENTS:
        yield _measure(url, broker_pid, client, "classic", CHUNK_SECONDS, seconds)
    yield _measure(url, broker_pid, "aiormq", "quorum", CHUNK_SECONDS, seconds)
    for chunk in (0.05, 0.2, 0.56):
        yield _measure(url, broker_pid, "aiormq", "classic", chunk, seconds)


def _measure(
    url: str, broker_pid: int | None, client: str, kind: str, chunk: float, seconds: float
) -> Row:
    queues = [f"bench.{uuid.uuid4()}" for _ in range(SESSIONS)]
    consumer = _Consumer(url, queues, kind)
    consumer.start()
    plan = {
        "client": client,
        "url": url,
        "queues": queues,
        "rate": 1 / chunk,
        "size": round(SAMPLE_RATE * chunk) * BYTES_PER_SAMPLE,
        "seconds": seconds,
    }
    broker = psutil.Process(broker_pid) if broker_pid else None
    before = _cpu(broker)
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.publishers", json.dumps(plan)],
        capture_output=True,
        text=True,
        check=True,
        timeout=seconds + 60,
    )
    broker_cpu = _cpu(broker) - before
    published: dict[str, Any] = json.loads(done.stdout)
    messages = len(published["confirms"])
    consumer.finish(messages)
    confirm, through = spread(published["confirms"]), spread(consumer.delays)
    streams_second = SESSIONS * seconds
    return {
        "what": f"{client}, {kind}, {round(chunk * 1000)} ms",
        "confirm p50/p99 ms": f"{confirm['p50_ms']} / {confirm['p99_ms']}",
        "through p50/p99 ms": f"{through['p50_ms']} / {through['p99_ms']}",
        "publisher us/message": round(published["cpu"] / messages * 1e6),
        "publisher cpu % a stream": round(100 * published["cpu"] / streams_second, 2),
        "broker cpu % a stream": round(100 * broker_cpu / streams_second, 2) if broker else "",
    }


def _cpu(process: psutil.Process | None) -> float:
    """Processor seconds of the broker with its children."""
    if process is None:
        return 0.0
    total = 0.0
    for one in [process, *process.children(recursive=True)]:
        times = one.cpu_times()
        total += times.user + times.system
    return total


class _Consumer(threading.Thread):
    """Reads all queues on one connection of its own and notes how old each message is."""

    def __init__(self, url: str, queues: list[str], kind: str) -> None:
        super().__init__(name="bench consumer", daemon=True)
        self.delays: list[float] = []
        self._queues = queues
        self._connection = amqp.Connection(url.rpartition("@")[2].strip("/"))
        self._connection.connect()
        self._channel = self._connection.channel()
        self._channel.basic_qos(0, 256, False)
        arguments = {"x-queue-type": kind, "x-single-active-consumer": True}
        for queue in queues:
            self._channel.queue_declare(queue, durable=True, auto_delete=False, arguments=arguments)
            self._channel.basic_consume(queue, callback=self._on_message)
        self._ended = False

    def run(self) -> None:
        """Drain until told to stop."""
        while not self._ended:
            try:
                self._connection.drain_events(timeout=0.2)
            except TimeoutError:
                continue

    def finish(self, expected: int) -> None:
        """Wait for the rest, remove the queues, disconnect.

        Raises:
            RuntimeError: messages are missing.
        """
        deadline = time.monotonic() + 10
        while len(self.delays) < expected and time.monotonic() < deadline:
            time.sleep(0.05)
        self._ended = True
        self.join(5)
        for tag in list(self._channel.callbacks):
            self._channel.basic_cancel(tag)
        for queue in self._queues:
            self._channel.queue_delete(queue)
        self._connection.close()
        if len(self.delays) != expected:
            raise RuntimeError(f"{len(self.delays)} of {expected} messages came")

    def _on_message(self, message: Any) -> None:
        sent = int.from_bytes(bytes(message.body[:8]), "big")
        self.delays.append((time.perf_counter_ns() - sent) / 1e9)
        message.channel.basic_ack(message.delivery_tag)
