"""`asr up`: the whole system in this process."""

from __future__ import annotations

import asyncio
import signal

import click

from asr_cli.autoscale import Scaling
from asr_cli.embedded import DEFAULT_PORT, MEMORY, Choice, running
from asr_tasks import log


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address of the gateway.")
@click.option("--port", default=DEFAULT_PORT, show_default=True, help="Its port; 0: any.")
@click.option("--model", default="english", show_default=True, help="See `asr models`.")
@click.option("--slots", default=0, help="Streams at a time; 0: what the catalogue says.")
@click.option(
    "--broker", default=MEMORY, show_default=True, help="amqp://… to use a real RabbitMQ."
)
@click.option("--redis", default="", help="redis://… to use a real Redis.  [default: embedded]")
@click.option(
    "--allocator-port", default=50051, show_default=True, help="Of gRPC, for `asr workers`; 0: any."
)
@click.option("--catalogue", default="", help="A model catalogue file of your own.")
@click.option(
    "--autoscale",
    type=click.IntRange(min=1),
    default=None,
    help="As many workers as callers need, up to this; processes of their own.  Needs a broker.",
)
@click.option(
    "--at-least", default=1, show_default=True, help="With --autoscale: workers that always run."
)
@click.option("--logs", default="", help="With --autoscale: folder of the workers' logs.")
@click.option("--verbose", is_flag=True, help="Log what the parts say, too.")
def up(
    host: str,
    port: int,
    model: str,
    slots: int,
    broker: str,
    redis: str,
    allocator_port: int,
    catalogue: str,
    autoscale: int | None,
    at_least: int,
    logs: str,
    verbose: bool,
) -> None:
    """Run the whole system until Ctrl-C: gateway, allocator, monitor and a worker.

    \b
    asr up                                     no server needed
    asr up --port 9000 --slots 4
    asr up --broker amqp://guest:guest@127.0.0.1:5672// --redis redis://127.0.0.1:6379/0
    asr up --autoscale 4 --broker … --redis …  up to four workers; `asr scaling explain` says why

    Open the gateway's address in a browser for a page to try it; stream to it with `asr stream`.
    """
    if broker != MEMORY and not redis:
        raise click.UsageError("--broker needs --redis: other processes must find the sessions")
    scaling = None
    if autoscale is not None:
        if broker == MEMORY:
            raise click.UsageError("--autoscale needs --broker and --redis: workers are processes")
        if not 0 <= at_least <= autoscale:
            raise click.UsageError("--at-least must lie between 0 and --autoscale")
        scaling = Scaling(at_least, autoscale, slots, logs)
    log.configure("DEBUG" if verbose else "INFO")
    allocator = f"127.0.0.1:{allocator_port}"
    choice = Choice(broker, redis, host, port, model, slots, catalogue, allocator, scaling)
    asyncio.run(_up(choice))


async def _up(choice: Choice) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    logger = log.get("asr.up")
    logger.info("starting", model=choice.model, broker=choice.broker)
    async with running(choice) as system:
        logger.info("ready", url=system.url, allocator=system.allocator, redis=system.redis)
        await system.unless_broken(stop.wait())
        logger.info("stopping")
