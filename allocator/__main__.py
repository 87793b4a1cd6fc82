"""`python -m allocator server` and `python -m allocator monitor`."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from contextlib import AsyncExitStack

from allocator.dispatcher import CeleryDispatcher, producer_app
from allocator.health import HealthServer
from allocator.models import CatalogueModels
from allocator.monitor import Monitor
from allocator.server import serve
from allocator.settings import AllocatorSettings, MonitorSettings, ServerSettings
from allocator.store import Store
from asr_tasks import log
from asr_tasks.catalogue import Catalogue
from asr_tasks.configuration import explained


def main(arguments: list[str] | None = None) -> int:
    """Run the part that the command line names; returns its exit code."""
    parser = argparse.ArgumentParser(prog="python -m allocator", description=__doc__)
    parser.add_argument("part", choices=("server", "monitor"))
    parser.add_argument("--print-settings", action="store_true", help="print them and exit")
    given = parser.parse_args(arguments)
    kind: type[AllocatorSettings] = ServerSettings if given.part == "server" else MonitorSettings
    with explained():
        return _run(kind, print_settings=given.print_settings)


def _run(kind: type[AllocatorSettings], *, print_settings: bool) -> int:
    settings = kind.load()
    if print_settings:
        for name, value in settings.printable().items():
            print(f"{name}={value}")  # noqa: T201
        return 0
    log.configure(settings.log_level, json_lines=settings.log_json)
    asyncio.run(_server(settings) if isinstance(settings, ServerSettings) else _monitor(settings))
    return 0


async def _server(settings: ServerSettings) -> None:
    async with AsyncExitStack() as stack:
        stop = _stop_signal()
        store = _store(settings)
        stack.push_async_callback(store.close)
        dispatcher = CeleryDispatcher(producer_app(settings.broker_url), settings.queue_type)
        stack.push_async_callback(dispatcher.close)
        models = CatalogueModels(Catalogue.load(settings.catalogue), store)
        server = await serve(settings, store, dispatcher, models)
        stack.push_async_callback(server.close)
        await stop.wait()


async def _monitor(settings: AllocatorSettings) -> None:
    assert isinstance(settings, MonitorSettings)
    async with AsyncExitStack() as stack:
        stop = _stop_signal()
        store = _store(settings)
        stack.push_async_callback(store.close)
        dispatcher = CeleryDispatcher(producer_app(settings.broker_url), settings.queue_type)
        stack.push_async_callback(dispatcher.close)
        if settings.monitor_http:
            http = await HealthServer.start(
                settings.monitor_http, {"redis": store.ping, "broker": dispatcher.ping}
            )
            stack.push_async_callback(http.close)
        scaling = None
        monitor: Monitor | None = None
        if settings.scaler == "kubernetes":
            from allocator.scaling.cluster import cluster_scaling

            scaling = await stack.enter_async_context(
                cluster_scaling(settings, store, lambda: monitor is not None and monitor.leads)
            )
        monitor = Monitor(settings, store, dispatcher, scaling)
        run = asyncio.create_task(monitor.run(), name="monitor")
        stopped = asyncio.create_task(stop.wait(), name="stop")
        await asyncio.wait({run, stopped}, return_when=asyncio.FIRST_COMPLETED)
        if run.done():
            run.result()  # raises what ended it
        stopped.cancel()
        await monitor.close()


def _store(settings: AllocatorSettings) -> Store:
    return Store.connect(
        settings.redis_url,
        max_attempts=settings.max_attempts,
        result_expires=settings.result_expires,
    )


def _stop_signal() -> asyncio.Event:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    return stop


if __name__ == "__main__":
    sys.exit(main())
