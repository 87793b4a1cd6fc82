"""A gateway's publishing side alone, with three AMQP clients; a process of its own, so that its
processor time can be read. `python -m tests.bench.publishers JSON` prints JSON.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import select
import socket
import sys
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from typing import Any

import aio_pika
import aiormq
import amqp
import psutil
import uvloop
from pamqp.commands import Basic

Send = Callable[[str, bytes], Awaitable[None]]
PERSISTENT = 2


@dataclass(frozen=True, slots=True)
class Plan:
    """What to publish: ``queues`` × ``rate`` messages of ``size`` bytes a second."""

    client: str
    url: str
    queues: list[str]
    rate: float
    size: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Published:
    """Seconds to each confirmation, and processor seconds for all of it."""

    confirms: list[float]
    cpu: float


def stamped(size: int) -> bytes:
    """A message that says when it was made, on the clock of this machine."""
    return time.perf_counter_ns().to_bytes(8, "big").ljust(size, b"\0")


async def pace(plan: Plan, send: Send) -> Published:
    """Every queue gets its messages at its pace; returns once all are confirmed."""
    confirms: list[float] = []

    async def caller(index: int, queue: str) -> None:
        first = time.perf_counter() + index / len(plan.queues) / plan.rate
        for number in range(round(plan.seconds * plan.rate)):
            await asyncio.sleep(max(first + number / plan.rate - time.perf_counter(), 0))
            sent = time.perf_counter()
            await send(queue, stamped(plan.size))
            confirms.append(time.perf_counter() - sent)

    times = psutil.Process().cpu_times()
    async with asyncio.TaskGroup() as group:
        for index, queue in enumerate(plan.queues):
            group.create_task(caller(index, queue))
    after = psutil.Process().cpu_times()
    return Published(confirms, after.user + after.system - times.user - times.system)


async def with_aio_pika(plan: Plan) -> Published:
    """aio-pika, robust connection."""
    connection = await aio_pika.connect_robust(plan.url)
    async with connection:
        channel = await connection.channel(publisher_confirms=True)

        async def send(queue: str, body: bytes) -> None:
            message = aio_pika.Message(body, delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
            await channel.default_exchange.publish(message, routing_key=queue)

        return await pace(plan, send)


async def with_aiormq(plan: Plan) -> Published:
    """aiormq, what aio-pika is made on."""
    connection = await aiormq.connect(plan.url)
    channel = await connection.channel(publisher_confirms=True)
    properties = Basic.Properties(delivery_mode=PERSISTENT)

    async def send(queue: str, body: bytes) -> None:
        await channel.basic_publish(
            body, routing_key=queue, properties=properties, mandatory=True, timeout=30
        )

    published = await pace(plan, send)
    await connection.close()
    return published


async def with_py_amqp(plan: Plan) -> Published:
    """py-amqp (kombu's transport) in one I/O thread; the loop waits for futures."""
    worker = _Thread(plan.url)
    worker.start()
    published = await pace(plan, worker.send)
    worker.stop()
    return published


class _Thread(threading.Thread):
    """Owns the connection: woken by a socket, publishes what was handed in, drains confirms."""

    def __init__(self, url: str) -> None:
        super().__init__(name="py-amqp publisher", daemon=True)
        host = url.rpartition("@")[2].strip("/")
        self._connection = amqp.Connection(host, confirm_publish=True)
        self._connection.connect()
        self._channel = self._connection.channel()
        self._channel.confirm_select()
        self._channel.events["basic_ack"].add(self._on_ack)
        self._wake, self._woken = socket.socketpair()
        self._todo: deque[tuple[str, bytes, asyncio.Future[None]]] = deque()
        self._open: deque[tuple[int, asyncio.Future[None]]] = deque()
        self._serial = 0
        self._loop = asyncio.get_running_loop()
        self._ended = False

    async def send(self, queue: str, body: bytes) -> None:
        """Hand a message in and wait for its confirmation."""
        future = self._loop.create_future()
        self._todo.append((queue, body, future))
        self._wake.send(b"\0")
        await future

    def stop(self) -> None:
        """End the thread and the connection."""
        self._ended = True
        self._wake.send(b"\0")
        self.join(5)
        self._connection.close()

    def run(self) -> None:
        """Publish and drain until stopped."""
        transport = self._connection.transport.sock
        while not self._ended:
            ready, _, _ = select.select([self._woken, transport], [], [], 1.0)
            if self._woken in ready:
                self._woken.recv(4096)
            while self._todo:
                queue, body, future = self._todo.popleft()
                self._serial += 1
                self._open.append((self._serial, future))
                message = amqp.Message(body, delivery_mode=PERSISTENT)
                # Not basic_publish_confirm: that waits for each confirmation in turn.
                self._channel._basic_publish(message, routing_key=queue, mandatory=True)
            if transport in ready:
                with contextlib.suppress(TimeoutError):
                    self._connection.drain_events(timeout=0)

    def _on_ack(self, delivery_tag: int, multiple: bool) -> None:
        done: list[asyncio.Future[None]] = []
        if multiple:
            while self._open and self._open[0][0] <= delivery_tag:
                done.append(self._open.popleft()[1])
        else:
            for item in self._open:
                if item[0] == delivery_tag:
                    done.append(item[1])
                    self._open.remove(item)
                    break
        self._loop.call_soon_threadsafe(_settle, done)


def _settle(futures: list[asyncio.Future[None]]) -> None:
    for future in futures:
        if not future.done():
            future.set_result(None)


CLIENTS: dict[str, Callable[[Plan], Awaitable[Published]]] = {
    "aio-pika": with_aio_pika,
    "aiormq": with_aiormq,
    "py-amqp thread": with_py_amqp,
}


def main() -> None:
    """Run one plan."""
    raw: dict[str, Any] = json.loads(sys.argv[1])
    plan = Plan(**raw)

    async def run() -> Published:
        return await CLIENTS[plan.client](plan)

    uvloop.install()
    print(json.dumps(asdict(asyncio.run(run()))))


if __name__ == "__main__":
    main()
