"""The system under fault: real servers behind proxies, every component a process, spares ready."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import redis

from asr_tasks.contracts import names
from tests.faults.priority import Starts
from tests.servers import choose
from tests.servers.choose import Server
from tests.support.cluster import Cluster, Component, running
from tests.support.eventually import eventually
from tests.support.proxy import Proxy, ProxyThread, proxies

MODEL, POISONABLE = "english", "poisonable"
ENTRY = """
[models.{name}]
language = "en"
model = "models/english/english.nemo"
kind = "cache_aware"
decoding = "ctc"
# The shortest chunks: a longer one would hide a gap behind its own waiting.
att_context = [70, 1]
slots = 8
end_of_utterance_ms = 800
"""
CATALOGUE = ENTRY.format(name=MODEL) + ENTRY.format(name=POISONABLE) + 'task = "tests.poisonable"\n'
WORKERS = 3
"""Ready when a round begins."""
SPARES = 1
"""More than that, so that a round need not wait for what the one before has killed."""
QUIET_SECONDS = 20.0
READY_SECONDS = 180.0
"""Two worlds that begin together load eight models on few cores."""


@dataclass(slots=True)
class World:
    """Everything a fault can strike."""

    rabbitmq: Server
    redis: Server
    network: ProxyThread
    broker_link: Proxy
    redis_link: Proxy
    cluster: Cluster
    store: redis.Redis
    starts: Starts
    spares: int = SPARES
    gateway_links: dict[str, Proxy] = field(default_factory=dict)

    @property
    def urls(self) -> list[str]:
        """Of the gateways, each behind its proxy."""
        return [f"http://127.0.0.1:{link.port}" for link in self.gateway_links.values()]

    def of(self, role: str) -> list[Component]:
        """The components whose names begin so."""
        return [c for c in self.cluster.components if c.name.startswith(role)]

    def url_of(self, gateway: str) -> str:
        """Where clients reach a gateway."""
        return f"http://127.0.0.1:{self.gateway_links[gateway].port}"

    def owner(self, session: str) -> str:
        """The worker that has the session; empty if none has."""
        return self._field(session, "worker")

    def gateway_of(self, session: str) -> str:
        """The gateway whose client connection it is."""
        return self._field(session, "gateway")

    def leader(self) -> Component:
        """The monitor that acts."""
        holder = self.store.hget(names.leader_key("monitor"), "holder")
        return self.cluster.named(str(holder))

    def begin(self, model: str = MODEL, workers: int = WORKERS, *, spares: bool = False) -> None:
        """What a round needs: every component ready, and so many workers of the model; the spare
        ones, too, if asked for.
        """
        if model == POISONABLE and not self.of(POISONABLE):
            for index in range(WORKERS + self.spares):
                self.cluster.worker(
                    f"{POISONABLE}-{index}",
                    model=POISONABLE,
                    arguments=("-I", "tests.faults.poison"),
                )
        elif model != POISONABLE:
            self._dismiss(POISONABLE)
        self.repair(model, WORKERS + self.spares if spares else workers)

    def repair(self, model: str = MODEL, workers: int = WORKERS) -> None:
        """Bring everything back that a fault has left dead, and wait until enough is ready."""
        self.network.do(self.broker_link.flow)
        self.network.do(self.redis_link.flow)
        serving = (*self.of(MODEL), *self.of(POISONABLE))
        for component in self.cluster.components:
            if component.process.alive:
                component.process.signal(signal.SIGCONT)
            elif component in serving:
                self.starts.begin(component)
            else:
                component.process.start()
        for component in self.cluster.components:
            if component not in serving:
                eventually(component.ready, within=READY_SECONDS, every=0.1)
        if len(self._idle(model)) < workers:
            self.starts.hurry()
        # Ready is what a component says of itself; the allocator has to have heard of it, too.
        eventually(lambda: len(self._idle(model)) >= workers, within=READY_SECONDS, every=0.1)

    def _dismiss(self, role: str) -> None:
        for component in self.of(role):
            component.process.stop()
            self.cluster.components.remove(component)

    def _idle(self, model: str) -> list[str]:
        return [
            worker.name
            for worker in self.of(model)
            if worker.process.alive
            and self.store.hget(names.worker_key(worker.name), "state") == "idle"
        ]

    def left_behind(self, sessions: list[str]) -> list[str]:
        """What ended sessions should not have left: keys without expiry, slots, queues."""
        left = [f"live {session}" for session in self.store.smembers(names.SESSIONS_KEY)]
        for session in sessions:
            left += [k for k in self.store.scan_iter(f"*{session}*") if self.store.ttl(k) < 0]
        for worker in self.store.smembers(names.WORKERS_KEY):
            if used := self.store.scard(names.worker_sessions_key(worker)):
                left.append(f"{used} slots of {worker}")
        return left + self._queues(sessions)

    def _queues(self, sessions: list[str]) -> list[str]:
        import amqp

        url = urlsplit(self.rabbitmq.url)
        with amqp.Connection(f"{url.hostname}:{url.port}") as connection:
            left = []
            for session in sessions:
                for queue in (names.task_queue(session), names.result_queue(session)):
                    channel = connection.channel()
                    try:
                        channel.queue_declare(queue, passive=True)
                    except amqp.NotFound:
                        continue
                    left.append(queue)
        return left

    def _field(self, session: str, name: str) -> str:
        return self.store.hget(names.session_key(session), name) or ""


@contextlib.contextmanager
def world(folder: Path, spares: int = SPARES) -> Iterator[World]:
    """All of it, ready, for as long as the block lasts."""
    folder.mkdir(parents=True, exist_ok=True)
    catalogue = folder / "catalogue.toml"
    catalogue.write_text(CATALOGUE)
    with (
        choose.rabbitmq(folder / "rabbitmq") as rabbitmq,
        choose.redis(folder / "redis") as redis_server,
        proxies() as network,
        Starts() as starts,
    ):
        broker, memory = urlsplit(rabbitmq.url), urlsplit(redis_server.url)
        broker_link = network.add(str(broker.hostname), broker.port or 5672)
        redis_link = network.add(str(memory.hostname), memory.port or 6379)
        cluster = Cluster(
            f"amqp://guest:guest@127.0.0.1:{broker_link.port}//",
            f"redis://127.0.0.1:{redis_link.port}/0",
            folder,
            {"ASR_CATALOGUE": str(catalogue)},
        )
        store = redis.Redis.from_url(redis_server.url, decode_responses=True)
        made = World(
            rabbitmq,
            redis_server,
            network,
            broker_link,
            redis_link,
            cluster,
            store,
            starts,
            spares,
        )
        with running(cluster):
            for name in ("allocator-0", "allocator-1"):
                cluster.allocator(name)
            for name in ("monitor-0", "monitor-1"):
                cluster.monitor(name)
            for index in range(WORKERS + spares):
                cluster.worker(f"{MODEL}-{index}", model=MODEL)
            for name in ("gateway-0", "gateway-1"):
                gateway = cluster.gateway(name)
                made.gateway_links[name] = network.add("127.0.0.1", gateway.port)
            made.repair()
            yield made
