"""The whole system in one process: what `asr up` and `asr demo` run.

With ``memory://`` nothing outside is needed: session queues and Celery's dispatch live in this
process, Redis is fakeredis (its Lua and pub/sub included) behind a loopback port, so that every
client of it works unchanged. With real URLs the same parts use real servers.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any, TypeVar

from allocator.dispatcher import CeleryDispatcher, producer_app
from allocator.models import CatalogueModels
from allocator.monitor import Monitor
from allocator.scaling.loop import ScalingLoop
from allocator.server import serve
from allocator.settings import MonitorSettings, ServerSettings
from allocator.store import Store
from asr_cli.autoscale import Scaling, first_ready, scaled
from asr_cli.embedded_jobs import embedded_jobs
from asr_cli.embedded_redis import embedded_redis
from asr_tasks import log
from asr_tasks.catalogue import Catalogue
from asr_tasks.contracts.errors import AsrError
from gateway.allocation_grpc import GrpcAllocator
from gateway.app import start as start_gateway
from gateway.bus import SessionBus
from gateway.bus_amqp import AmqpBus
from gateway.bus_inprocess import InProcessBus
from gateway.sessions_store import SessionsStore
from gateway.settings import GatewaySettings

_log = log.get("asr.up")

T = TypeVar("T")

MEMORY = "memory://"
GATEWAY = "embedded"
DEFAULT_PORT = 8080
READY_SECONDS = 120.0
DRAIN_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Choice:
    """What to run.

    Attributes:
        broker: AMQP URL, or ``memory://``.
        redis: Redis URL; empty: the embedded one.
        host, port: of the gateway; port 0: any free one.
        model: the catalogue's name.
        slots: streams at a time; 0: what the catalogue says.
        catalogue: path of a catalogue file; empty: the packaged one.
        allocator: host:port of its gRPC server, for `asr workers` and the like; port 0: any.
        scaling: workers are processes beside this one, as many as are needed; None: one, in here.
    """

    broker: str = MEMORY
    redis: str = ""
    host: str = "127.0.0.1"
    port: int = DEFAULT_PORT
    model: str = "english"
    slots: int = 0
    catalogue: str = ""
    allocator: str = "127.0.0.1:0"
    scaling: Scaling | None = None


@dataclass(frozen=True, slots=True)
class Running:
    """Where it can be reached, and whether all of it still runs."""

    url: str
    allocator: str
    redis: str
    parts: Mapping[str, asyncio.Task[None]]

    async def unless_broken(self, work: Coroutine[Any, Any, T]) -> T:
        """Do the work, unless a part of the system ends meanwhile.

        Raises:
            PartEnded: it did; the work was cancelled.
        """
        task = asyncio.create_task(work)
        try:
            await asyncio.wait({task, *self.parts.values()}, return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                raise self._ended()
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        return task.result()

    def _ended(self) -> PartEnded:
        name, task = next((name, task) for name, task in self.parts.items() if task.done())
        error = None if task.cancelled() else task.exception()
        ended = PartEnded(f"The {name} has ended{f': {error}' if error else ''}.")
        ended.__cause__ = error
        return ended


class PartEnded(AsrError):
    """A part of the system ended by itself."""


@contextlib.asynccontextmanager
async def running(choice: Choice) -> AsyncIterator[Running]:
    """The system for as long as the block lasts; it is ready when the block begins.

    Raises:
        UnknownModel, ModelUnavailable: the model cannot be served.
        OSError: the port is taken, or a server given by URL does not answer.
    """
    Catalogue.load(choice.catalogue).get(choice.model).check()
    async with AsyncExitStack() as stack:
        redis_url = choice.redis or stack.enter_context(embedded_redis())
        shared = {
            "broker_url": choice.broker,
            "redis_url": redis_url,
            "catalogue": choice.catalogue or None,
        }
        catalogue = Catalogue.load(choice.catalogue)
        server = ServerSettings.load(**shared, allocator_listen=choice.allocator, allocator_http="")
        store = Store.connect(redis_url, result_expires=server.result_expires)
        stack.push_async_callback(store.close)
        dispatcher = CeleryDispatcher(producer_app(choice.broker), server.queue_type)
        stack.push_async_callback(dispatcher.close)
        allocator = await serve(server, store, dispatcher, CatalogueModels(catalogue, store))
        stack.push_async_callback(allocator.close)
        watch = MonitorSettings.load(**shared, monitor_http="")
        loop: ScalingLoop | None = None
        if choice.scaling is None:
            # Loading the model takes seconds in its thread; everything else starts beside it.
            worker = await stack.enter_async_context(_worker(choice, shared, allocator.address))
        else:
            where = _environment(shared, allocator.address)
            entry = catalogue.get(choice.model)
            loop = await stack.enter_async_context(
                scaled(choice.scaling, entry, watch, store, where)
            )
            worker = await stack.enter_async_context(_elsewhere(store, choice))
        monitor = Monitor(watch, store, dispatcher, loop)
        watching = asyncio.create_task(monitor.run(), name="monitor")
        stack.push_async_callback(_end, monitor, watching)
        settings = GatewaySettings.load(
            **shared,
            host=choice.host,
            port=choice.port,
            gateway_name=GATEWAY,
            default_model=choice.model,
            allocator_address=allocator.address,
        )
        settings, jobs = await stack.enter_async_context(embedded_jobs(settings, catalogue))
        gateway = await start_gateway(
            settings,
            bus=_bus(settings),
            store=SessionsStore.connect(redis_url, GATEWAY, settings.result_expires),
            allocator=GrpcAllocator(allocator.address),
            models=catalogue,
            jobs=jobs,
        )
        stack.push_async_callback(gateway.close)
        await worker.ready
        address = f"http://{gateway.host}:{gateway.port}"
        parts = {"monitor": watching, "worker": worker.running}
        yield Running(address, allocator.address, redis_url, parts)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_SECONDS):
                await gateway.drain()


@dataclass(frozen=True, slots=True)
class _Worker:
    """Tasks that end: once it takes streams; when it has ended."""

    ready: asyncio.Task[None]
    running: asyncio.Task[None]


@contextlib.asynccontextmanager
async def _worker(
    choice: Choice, shared: dict[str, str | None], allocator: str
) -> AsyncIterator[_Worker]:
    """A Celery worker in a thread."""
    # Not at the top: Celery is slow to import, and `asr stream` needs none of it.
    from asr_tasks.worker.embedded import EmbeddedWorker
    from asr_tasks.worker.settings import WorkerSettings

    settings = WorkerSettings.load(
        **shared,
        worker_name=f"{choice.model}-0",
        model=choice.model,
        slots=choice.slots,
        allocator_address=allocator,
        worker_http="",
    )
    worker = EmbeddedWorker(settings)
    worker.start()
    ready = asyncio.create_task(asyncio.to_thread(worker.wait_ready, READY_SECONDS), name="ready")
    ended = asyncio.create_task(asyncio.to_thread(worker.wait_ended), name="worker")
    try:
        yield _Worker(ready, ended)
    finally:
        await asyncio.to_thread(worker.stop)
        ready.cancel()
        await asyncio.gather(ready, ended, return_exceptions=True)


@contextlib.asynccontextmanager
async def _elsewhere(store: Store, choice: Choice) -> AsyncIterator[_Worker]:
    """Workers that are processes: ready when the first of them is; they never end by themselves."""
    least = choice.scaling.minimum if choice.scaling else 0
    wait = first_ready(store, choice.model) if least else asyncio.sleep(0)
    ready = asyncio.create_task(wait, name="ready")
    running = asyncio.create_task(_for_ever(), name="workers")
    try:
        yield _Worker(ready, running)
    finally:
        ready.cancel()
        running.cancel()
        await asyncio.gather(ready, running, return_exceptions=True)


async def _for_ever() -> None:
    await asyncio.Event().wait()


def _environment(shared: Mapping[str, str | None], allocator: str) -> dict[str, str]:
    """Where a worker process finds everything."""
    given = {f"ASR_{name.upper()}": value for name, value in shared.items() if value}
    return {**given, "ASR_ALLOCATOR_ADDRESS": allocator}


async def _end(monitor: Monitor, watching: asyncio.Task[None]) -> None:
    await monitor.close()
    await asyncio.gather(watching, return_exceptions=True)


def _bus(settings: GatewaySettings) -> SessionBus:
    if settings.embedded:
        return InProcessBus.connect(settings.broker_url, publish_seconds=settings.broker_seconds)
    return AmqpBus(
        settings.broker_url,
        settings.gateway_name,
        heartbeat=settings.gateway_heartbeat,
        publish_seconds=settings.broker_seconds,
        queue_type=settings.queue_type,
    )
