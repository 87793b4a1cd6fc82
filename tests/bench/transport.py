"""The worker's transport alone: chunk → receive and chunk → partial, CPU per chunk.

``python -m tests.bench.transport [STREAMS…]`` starts a RabbitMQ of its own. The sender is a
process of its own; clocks are one machine's monotonic one, carried in the audio.
"""

from __future__ import annotations

import multiprocessing
import struct
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from asr_tasks.contracts import names
from asr_tasks.contracts.audio import Chunk
from asr_tasks.contracts.results import Kind, Message, Result
from asr_tasks.transport.amqp import AmqpTransport
from tests.servers.rabbitmq import LocalRabbitMQ
from tests.support.eventually import eventually
from tests.support.session_peers import RabbitPeer

SECONDS = 6.0
RATE = 10


def send(url: str, sessions: list[str]) -> None:
    """Ten chunks a second to each session, spread over the second."""
    peer = RabbitPeer(url)
    began = time.monotonic()
    total = int(SECONDS * RATE) * len(sessions)
    for n in range(total):
        due = began + n / (RATE * len(sessions))
        time.sleep(max(0.0, due - time.monotonic()))
        body = struct.pack("d", time.monotonic()).ljust(3200, b"\0")
        start = (n // len(sessions)) * 1600
        peer.send(sessions[n % len(sessions)], Chunk(start, body))
    peer.close()


def measure(url: str, streams: int) -> dict[str, Any]:
    """One row."""
    peer = RabbitPeer(url)
    sessions = [names.new_session_id() for _ in range(streams)]
    for session in sessions:
        peer.declare(session)
    transport = AmqpTransport(url, "bench")
    eventually(transport.ready)
    late: list[float] = []
    count = int(SECONDS * RATE)

    def stream(session: str) -> None:
        queues = transport.open(session)
        for n in range(count):
            delivery = queues.receive(10.0)
            assert delivery is not None
            late.append(time.monotonic() - struct.unpack_from("d", delivery.chunk.pcm)[0])
            message = Message(Kind.PARTIAL, 1, result=Result("a few words of text"))
            queues.publish(message, confirm=False)
            if n % 40 == 39:
                queues.publish(Message(Kind.FINAL, 1, result=Result("final")), confirm=True)
            queues.ack([delivery])
        queues.close()

    threads = [threading.Thread(target=stream, args=(session,)) for session in sessions]
    for thread in threads:
        thread.start()
    sender = multiprocessing.get_context("spawn").Process(target=send, args=(url, sessions))
    cpu = time.process_time()
    sender.start()
    for thread in threads:
        thread.join()
    cpu = time.process_time() - cpu
    sender.join()
    for session in sessions:
        transport.delete(session)
    transport.close()
    peer.close()
    late.sort()
    return {
        "streams": streams,
        "p50_ms": round(1000 * late[len(late) // 2], 2),
        "p99_ms": round(1000 * late[int(len(late) * 0.99)], 2),
        "cpu_us_per_chunk": round(1e6 * cpu / len(late)),
    }


def main() -> None:
    """Print a row per number of streams."""
    with tempfile.TemporaryDirectory() as folder:
        server = LocalRabbitMQ(Path(folder))
        server.start()
        try:
            for streams in [int(n) for n in sys.argv[1:]] or [1, 10, 50]:
                print(measure(server.url, streams))
        finally:
            server.stop()


if __name__ == "__main__":
    main()
