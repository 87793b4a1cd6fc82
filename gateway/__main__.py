"""``python -m gateway``: one gateway, settings from the environment."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys

from asr_tasks import log
from asr_tasks.catalogue import Catalogue
from asr_tasks.configuration import explained
from asr_tasks.jobs.redis_jobs import RedisJobs
from gateway.allocation_grpc import GrpcAllocator
from gateway.app import start
from gateway.bus_amqp import AmqpBus
from gateway.launch import Launcher
from gateway.sessions_store import SessionsStore
from gateway.settings import GatewaySettings
from gateway.stopping import stop


def main() -> int:
    """Serve until SIGTERM or SIGINT; a second signal ends the draining."""
    parser = argparse.ArgumentParser(prog="python -m gateway", description=__doc__)
    parser.add_argument("--host", help="address to listen on (ASR_HOST)")
    parser.add_argument("--port", type=int, help="port to listen on (ASR_PORT)")
    parser.add_argument(
        "--print-settings", action="store_true", help="print every setting and stop"
    )
    arguments = parser.parse_args()
    with explained():
        return _run(arguments)


def _run(arguments: argparse.Namespace) -> int:
    settings = GatewaySettings.load(host=arguments.host, port=arguments.port)
    if arguments.print_settings:
        for name, value in settings.printable().items():
            sys.stdout.write(f"{name}={value}\n")
        return 0
    log.configure(settings.log_level, json_lines=settings.log_json)
    if settings.embedded:
        sys.stderr.write("memory:// lives in one process: use `asr up`\n")
        return 2
    asyncio.run(_serve(settings))
    return 0


async def _serve(settings: GatewaySettings) -> None:
    leave, hurry = asyncio.Event(), asyncio.Event()

    def on_signal() -> None:
        (hurry if leave.is_set() else leave).set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal)
    name, models = settings.gateway_name, Catalogue.load(settings.catalogue)
    launcher = Launcher(settings.broker_url, name, settings.gateway_heartbeat)
    launcher.start()
    gateway = await start(
        settings,
        bus=AmqpBus(
            settings.broker_url,
            name,
            heartbeat=settings.gateway_heartbeat,
            publish_seconds=settings.broker_seconds,
            queue_type=settings.queue_type,
        ),
        store=SessionsStore.connect(settings.redis_url, name, settings.result_expires),
        allocator=GrpcAllocator(settings.allocator_address),
        models=models,
        jobs=RedisJobs.connect(
            settings.redis_url, launcher.launch, models, expires=settings.job_expires
        ),
    )
    await leave.wait()
    waits = [asyncio.create_task(gateway.drain()), asyncio.create_task(hurry.wait())]
    await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    await stop(waits)
    await gateway.close()
    await launcher.close()


if __name__ == "__main__":
    sys.exit(main())
