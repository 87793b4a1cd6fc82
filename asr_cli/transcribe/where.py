"""Which batch workers are meant: those behind a gateway, or those of a broker and a Redis."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click

from asr_tasks.contracts.jobs import Jobs
from asr_tasks.settings import Settings

Command = TypeVar("Command", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Where:
    """The choice of the command line.

    Attributes:
        settings: with broker and Redis, from options or the environment.
        gateway: its URL; empty: not through one.
        key: that the gateway wants to see.
    """

    settings: Settings
    gateway: str = ""
    key: str = ""

    @property
    def named(self) -> bool:
        """Whether somebody said where there are workers."""
        return bool(self.gateway) or {"broker_url", "redis_url"} <= self.settings.model_fields_set

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[Jobs]:
        """The jobs there."""
        # Not at the top: Celery is slow to import, and behind a gateway nobody needs it.
        if self.gateway:
            from asr_cli.transcribe import gateway

            async with gateway.connected(self.gateway, self.key) as behind:
                yield behind
            return
        from asr_cli.transcribe import servers

        async with servers.connected(self.settings) as jobs:
            yield jobs


def chosen(
    gateway: str, key_file: Path | None, broker: str | None, redis: str | None, catalogue: str = ""
) -> Where:
    """From the options of :func:`options`.

    Raises:
        click.UsageError: they contradict each other.
    """
    if gateway and (broker or redis):
        raise click.UsageError("either --gateway, or --broker and --redis")
    if gateway and "://" not in gateway:
        gateway = f"http://{gateway}"
    settings = Settings.load(broker_url=broker, redis_url=redis, catalogue=catalogue or None)
    where = Where(settings, gateway, key_file.read_text("utf-8").strip() if key_file else "")
    if (broker or redis) and not where.named:
        raise click.UsageError("batch workers need both --broker and --redis")
    return where


def options(command: Command) -> Command:
    """The options that say where."""
    for option in (
        click.option("--redis", help="redis://… of theirs.  [default: ASR_REDIS_URL, if set]"),
        click.option(
            "--broker", help="amqp://… of batch workers.  [default: ASR_BROKER_URL, if set]"
        ),
        click.option(
            "--key-file",
            type=click.Path(exists=True, dir_okay=False, path_type=Path),
            help="A file with the key that the gateway wants to see.",
        ),
        click.option(
            "--gateway", default="", metavar="URL", help="A gateway with batch workers behind it."
        ),
    ):
        command = option(command)
    return command
