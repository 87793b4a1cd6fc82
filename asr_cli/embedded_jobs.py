"""Recordings in the embedded stack: in this process without servers, by batch workers with them."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from pydantic import SecretStr

from asr_tasks.catalogue import Catalogue
from asr_tasks.contracts.jobs import Jobs
from asr_tasks.jobs.redis_jobs import RedisJobs
from gateway.launch import Launcher
from gateway.settings import GatewaySettings

NICE = 10
"""How far recordings step back for live sessions in the same process."""


@contextlib.asynccontextmanager
async def embedded_jobs(
    settings: GatewaySettings, catalogue: Catalogue
) -> AsyncIterator[tuple[GatewaySettings, Jobs]]:
    """The jobs, which the gateway closes, and the settings that go with them."""
    if settings.embedded:
        with _here(settings, catalogue) as found:
            yield found
        return
    launcher = Launcher(settings.broker_url, settings.gateway_name, settings.gateway_heartbeat)
    launcher.start()
    try:
        yield (
            settings,
            RedisJobs.connect(
                settings.redis_url, launcher.launch, catalogue, expires=settings.job_expires
            ),
        )
    finally:
        await launcher.close()


@contextlib.contextmanager
def _here(
    settings: GatewaySettings, catalogue: Catalogue
) -> Iterator[tuple[GatewaySettings, Jobs]]:
    # Not at the top: with servers nobody needs it.
    from asr_cli.transcribe.local import LocalJobs

    with tempfile.TemporaryDirectory(prefix="asr-up-", ignore_cleanup_errors=True) as made:
        folder = Path(made)
        # Jobs end with the process, so nobody would tell their webhooks.
        changes = {
            "uploads": settings.uploads or str(folder / "uploads"),
            "webhook_secret": SecretStr(""),
        }
        yield (
            settings.model_copy(update=changes),
            LocalJobs(catalogue, folder / "jobs", threads=1, nice=NICE),
        )
