"""Looks at everything at regular times, beside what happens."""

from __future__ import annotations

import asyncio
import os
import subprocess
import time
from collections.abc import Callable
from typing import Final

import redis

from tests.servers.choose import Server
from tests.soak import probes
from tests.soak.samples import Samples
from tests.support.cluster import Cluster

EVERYBODY: Final = ("allocator", "monitor", "rabbitmq", "redis")
"""Whoever has to do with every session."""


class Sampler:
    """Takes samples and the census until the block it is used in ends.

    Args:
        callers: how many are on the line.
        began: monotonic seconds from which times count.
    """

    def __init__(
        self,
        cluster: Cluster,
        rabbitmq: Server,
        store: Server,
        callers: Callable[[], int],
        *,
        began: float,
    ) -> None:
        self.samples = Samples()
        self.broker = probes.Broker(rabbitmq)
        self.client = redis.Redis.from_url(store.url, decode_responses=True)
        self.missed = 0
        self._cluster = cluster
        self._servers = {"rabbitmq": rabbitmq, "redis": store}
        self._callers = callers
        self._began = began

    async def every(self, seconds: float, look: Callable[[], None]) -> None:
        """Look again and again, at the same distance, until cancelled."""
        due = time.monotonic()
        while True:
            try:
                await asyncio.to_thread(look)
            except (redis.RedisError, subprocess.SubprocessError):
                self.missed += 1
            due = max(due + seconds, time.monotonic())
            await asyncio.sleep(due - time.monotonic())

    def sample(self) -> None:
        """Every process, Redis, the calls."""
        now = time.monotonic() - self._began
        live, owners = probes.live_sessions(self.client)
        for name, pid in self._pids().items():
            figures = probes.process(pid, children=name == "rabbitmq")
            if figures is None:
                continue
            load = live if name.startswith(EVERYBODY) else owners[name]
            if name == "harness":
                load = self._callers()
            self.samples.process(name, pid).add(now, {**figures, "sessions": load})
        slots = sum(probes.slots_in_use(self.client).values())
        self.samples.system.add(
            now,
            {
                "callers": self._callers(),
                "sessions": live,
                "slots": slots,
                **probes.store(self.client),
            },
        )

    def census(self) -> None:
        """All queues and keys."""
        now = time.monotonic() - self._began
        before, _ = probes.live_sessions(self.client)
        figures = {**probes.keys(self.client), **self.broker.figures()}
        after, _ = probes.live_sessions(self.client)
        self.samples.census.add(now, {**figures, "sessions": max(before, after)})

    def _pids(self) -> dict[str, int]:
        found = {c.name: c.process.pid for c in self._cluster.components if c.process.alive}
        for name, server in self._servers.items():
            if hasattr(server, "process"):
                found[name] = server.process.pid
        return found | {"harness": os.getpid()}
