"""Everything a stream worker has beside Celery, and the order in which it comes and goes."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace

import redis

from asr_tasks import log, recognizers
from asr_tasks.catalogue import Catalogue, Entry
from asr_tasks.rpc import worker_manager_pb2 as pb
from asr_tasks.state.redis_sessions import RedisSessions
from asr_tasks.state.scripts import source
from asr_tasks.streaming.drive import Environment
from asr_tasks.streaming.limits import Limits
from asr_tasks.streaming.task import install
from asr_tasks.transport import connect
from asr_tasks.worker.drain import Drain
from asr_tasks.worker.health import Health
from asr_tasks.worker.registry import Registry
from asr_tasks.worker.report import Condition
from asr_tasks.worker.settings import WorkerSettings

_log = log.get("asr.worker")

PROBE_SECONDS = 1.0
"""Redis's time to answer a readiness probe."""


def entry_of(settings: WorkerSettings) -> Entry:
    """The model this worker runs, with the slots the settings ask for.

    Raises:
        UnknownModel: it is not in the catalogue.
    """
    entry = Catalogue.load(settings.catalogue).get(settings.model)
    return replace(entry, slots=settings.slots) if settings.slots else entry


class StreamProcess:
    """The parts of one worker process.

    Args:
        settings: of the worker; its name is this worker's.
        stop: makes the process leave, softly; called once the last stream of a drain has ended.
        limits: of the streams.
    """

    def __init__(
        self,
        settings: WorkerSettings,
        stop: Callable[[], None],
        *,
        limits: Limits | None = None,
    ) -> None:
        self._settings = settings
        self._limits = limits or Limits()
        self._entry = entry_of(settings)
        self._parts = ExitStack()
        self._condition = Condition(settings.worker_name, settings.model, self._entry.slots)
        self.drain = Drain(self._condition, settings.drain_seconds, stop)
        self._registry = Registry(
            settings.allocator_address, self._condition, self.drain.begin, settings.report_seconds
        )
        self.health_port = -1

    @property
    def slots(self) -> int:
        """Streams it runs at a time."""
        return self._entry.slots

    def start(self) -> None:
        """Announce that it starts, load the model, open the streams' connections.

        Raises:
            ModelUnavailable: the model's checkpoint is absent.
            RuntimeError: it cannot be loaded.
        """
        settings = self._settings
        with ExitStack() as parts:
            parts.callback(self._condition.close)
            self._registry.start()
            parts.callback(self._registry.close)
            self.drain.start()
            parts.callback(self.drain.close)
            transport = connect(
                settings.broker_url, settings.worker_name, heartbeat=settings.heartbeat
            )
            parts.callback(transport.close)
            sessions = RedisSessions.connect(
                settings.redis_url, result_expires=settings.result_expires
            )
            probe = redis.Redis.from_url(
                settings.redis_url,
                socket_timeout=PROBE_SECONDS,
                socket_connect_timeout=PROBE_SECONDS,
            )
            parts.callback(probe.close)
            if settings.embedded:
                # The in-process Redis closes a connection after any error, NOSCRIPT too.
                for script in ("claim", "commit", "finish", "trial"):
                    probe.script_load(source("asr_tasks.state", script))
            if settings.worker_http:
                checks = {
                    "model": lambda: "" if self._condition.state != pb.STARTING else "loading",
                    "leaving": lambda: "draining" if self.drain.asked else "",
                    "rabbitmq": lambda: "" if transport.ready() else "not connected",
                    "redis": lambda: _answers(probe),
                    "allocator": lambda: "" if self._registry.attached else "not attached",
                }
                health = Health(settings.worker_http, checks)
                health.start()
                parts.callback(health.close)
                self.health_port = health.port
            _log.info("loading", model=settings.model, slots=self.slots)
            if self._entry.kind != "none":
                recognizers.install(settings.model, recognizers.load(self._entry))
                parts.callback(recognizers.uninstall, settings.model)
            install(Environment(transport, sessions, self._limits))
            # From here on every part is ended by `stop`.
            self._parts = parts.pop_all()

    def ready(self) -> None:
        """Its queue is consumed: take streams."""
        self._condition.become(pb.READY)
        _log.info("ready", worker=self._settings.worker_name, model=self._settings.model)

    def stop(self) -> None:
        """End every part, once the streams have left."""
        self.drain.wait()
        self._parts.close()


def _answers(client: redis.Redis) -> str:
    try:
        client.ping()
    except redis.RedisError as error:
        return str(error) or type(error).__name__
    return ""
