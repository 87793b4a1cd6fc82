"""Sends the message that begins a batch job, over a connection of its own to RabbitMQ."""

from __future__ import annotations

import asyncio
from typing import Any, Final, cast

import aiormq
from aiormq.exceptions import PublishError
from pamqp.commands import Basic

from asr_tasks import log
from asr_tasks.contracts.errors import BackendDown
from asr_tasks.contracts.jobs import JobRequest
from asr_tasks.jobs.launch import message_of
from gateway.amqp_link import Link, reraise_own_cancel
from gateway.backoff import delays

_PERSISTENT: Final = 2
_SECONDS: Final = 10.0

_log = log.get(__name__)


class Launcher:
    """One per gateway; :meth:`launch` is an :data:`asr_tasks.jobs.redis_jobs.Launch`."""

    def __init__(self, url: str, name: str, heartbeat: int) -> None:
        """``name``: of the gateway."""
        self._link = Link(url, f"{name} jobs", heartbeat)

    def start(self) -> None:
        """Begin to connect."""
        self._link.start()

    async def close(self) -> None:
        """Disconnect."""
        await self._link.close()

    async def launch(self, job: str, request: JobRequest) -> None:
        """Send it, with the broker's confirmation.

        Raises:
            BackendDown: the broker does not take it. The job is kept all the same, and a batch
                worker's caretaker begins it later.
        """
        message = message_of(job, request)
        properties = Basic.Properties(
            content_type=message.content_type,
            content_encoding=message.content_encoding,
            correlation_id=message.correlation_id,
            delivery_mode=_PERSISTENT,
            headers=cast("Any", message.headers),
        )
        loop = asyncio.get_running_loop()
        deadline, waits = loop.time() + _SECONDS, delays()
        while True:
            channel = await self._link.channel(deadline - loop.time())
            try:
                await channel.basic_publish(
                    message.body,
                    routing_key=message.routing_key,
                    properties=properties,
                    mandatory=True,
                    timeout=max(deadline - loop.time(), 0.01),
                )
                return
            except PublishError:
                # The queue is declared by Celery, with its arguments, when the first batch worker
                # starts. Then its caretaker finds the job.
                _log.warning("no batch worker has been here yet, the job waits for one", job=job)
                return
            except TimeoutError:
                raise BackendDown("RabbitMQ does not confirm a job's message") from None
            except (aiormq.exceptions.AMQPError, ConnectionError, OSError, RuntimeError) as error:
                # Whether it was stored is unknown: sent twice it does no harm.
                reason = str(error)
            except asyncio.CancelledError:
                reraise_own_cancel()
                reason = "the connection was closed"
            if loop.time() >= deadline:
                raise BackendDown(f"RabbitMQ does not take a job's message: {reason}")
            await asyncio.sleep(next(waits))
