"""The whole system as it runs in production: every component a process of its own."""

from __future__ import annotations

import contextlib
import json
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.servers.ports import free_port
from tests.servers.process import ServerProcess
from tests.support.eventually import eventually

ROOT = Path(__file__).parents[2]
READY_SECONDS = 60.0


@dataclass(slots=True)
class Component:
    """One process of the system."""

    name: str
    process: ServerProcess
    port: int
    health: str

    @property
    def url(self) -> str:
        """Where clients reach it."""
        return f"http://127.0.0.1:{self.port}"

    def ready(self) -> bool:
        """Whether /readyz says yes; an assertion error if the process has died."""
        if not self.process.alive:
            raise RuntimeError(f"{self.name} died:\n{self.process.tail(60)}")
        try:
            with urllib.request.urlopen(f"{self.health}/readyz", timeout=2) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False


@dataclass(slots=True)
class Cluster:
    """Starts components against given servers and stops what it started."""

    broker: str
    redis: str
    folder: Path
    environment: dict[str, str] = field(default_factory=dict)
    components: list[Component] = field(default_factory=list)
    _allocators: list[str] = field(default_factory=list)

    def allocator(self, name: str) -> Component:
        """An allocator server; gateways and workers started later know all of them."""
        grpc, http = free_port(), free_port()
        self._allocators.append(f"127.0.0.1:{grpc}")
        return self._start(
            name,
            ["-m", "allocator", "server"],
            {
                "ASR_ALLOCATOR_LISTEN": f"127.0.0.1:{grpc}",
                "ASR_ALLOCATOR_HTTP": f"127.0.0.1:{http}",
                "ASR_ALLOCATOR_NAME": name,
            },
            grpc,
            http,
        )

    def monitor(self, name: str = "monitor") -> Component:
        """A monitor."""
        http = free_port()
        return self._start(
            name,
            ["-m", "allocator", "monitor"],
            {"ASR_MONITOR_HTTP": f"127.0.0.1:{http}", "ASR_ALLOCATOR_NAME": name},
            http,
            http,
        )

    def gateway(self, name: str, **settings: str) -> Component:
        """A gateway."""
        port = free_port()
        own = {"ASR_HOST": "127.0.0.1", "ASR_PORT": str(port), "ASR_GATEWAY_NAME": name}
        return self._start(name, ["-m", "gateway"], own | settings, port, port)

    def worker(
        self,
        name: str,
        *,
        model: str = "english",
        slots: int = 8,
        arguments: Sequence[str] = (),
    ) -> Component:
        """A worker; ``arguments`` are Celery's."""
        http = free_port()
        own = {
            "ASR_WORKER_NAME": name,
            "ASR_MODEL": model,
            "ASR_SLOTS": str(slots),
            "ASR_WORKER_HTTP": f"127.0.0.1:{http}",
        }
        return self._start(name, ["-m", "asr_tasks.worker", *arguments], own, http, http)

    def batch_worker(
        self, name: str, models: str, arguments: Sequence[str] = (), **settings: str
    ) -> Component:
        """A worker for recordings; ready when it says so in its log."""
        own = {"ASR_WORKER_NAME": name, "ASR_BATCH_MODELS": models}
        return self._start(
            name, ["-m", "asr_tasks.worker", "--role", "batch", *arguments], own | settings, 0, 0
        )

    def wait_ready(self) -> None:
        """Return once every component says it is ready."""
        for component in self.components:
            if component.process.alive and component.port:
                eventually(component.ready, within=READY_SECONDS, every=0.1)

    def named(self, name: str) -> Component:
        """The component of that name."""
        return next(component for component in self.components if component.name == name)

    def stop(self) -> None:
        """End everything, clients' side first."""
        for component in reversed(self.components):
            component.process.stop()

    def logs(self) -> str:
        """The ends of all logs, for a failing test."""
        return "\n".join(f"--- {c.name}\n{c.process.tail(25)}" for c in self.components)

    def _start(
        self, name: str, arguments: list[str], own: dict[str, str], port: int, http: int
    ) -> Component:
        env = {
            "ASR_BROKER_URL": self.broker,
            "ASR_REDIS_URL": self.redis,
            "ASR_ALLOCATOR_ADDRESS": ",".join(self._allocators),
            "ASR_LOG_JSON": "true",
            "PYTHONUNBUFFERED": "1",
            **self.environment,
            **own,
        }
        process = ServerProcess(
            [sys.executable, *arguments], env=env, log=self.folder / f"{name}.log", cwd=ROOT
        )
        process.start()
        component = Component(name, process, port, f"http://127.0.0.1:{http}")
        self.components.append(component)
        return component


@contextlib.contextmanager
def running(cluster: Cluster) -> Iterator[Cluster]:
    """The cluster until the block ends; on an error its logs are added to the report."""
    try:
        yield cluster
    except BaseException as error:
        error.add_note(cluster.logs())
        raise
    finally:
        cluster.stop()


def health(component: Component) -> dict[str, object]:
    """What its /readyz says."""
    with urllib.request.urlopen(f"{component.health}/readyz", timeout=5) as answer:
        body: dict[str, object] = json.loads(answer.read())
    return body
