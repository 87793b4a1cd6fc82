"""Who uses the processor: by kind of process, per stream."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping

import psutil

from tests.servers.choose import Server
from tests.support.cluster import Cluster

KINDS = ("worker", "gateway", "rabbitmq", "callers")


def processes(cluster: Cluster, rabbitmq: Server, redis: Server) -> dict[str, int]:
    """Process ids by name; a server that is not a process of ours is left out."""
    found = {c.name: c.process.pid for c in cluster.components} | {"callers": os.getpid()}
    for name, server in (("rabbitmq", rabbitmq), ("redis", redis)):
        if hasattr(server, "process"):
            found[name] = server.process.pid
    return found


class Meter:
    """Processor time between :meth:`start` and a reading."""

    def __init__(self, pids: Mapping[str, int]) -> None:
        self._processes = {name: psutil.Process(pid) for name, pid in pids.items()}
        self.start()

    def start(self) -> None:
        """Begin to count."""
        self._before, self._began = self._read(), time.monotonic()

    def cores(self) -> float:
        """Cores that were busy on average, for all processes together."""
        used = sum(self._read().values()) - sum(self._before.values())
        return round(used / (time.monotonic() - self._began), 2)

    def percent_a_stream(self, stream_seconds: float) -> dict[str, float]:
        """Percent of a core that one stream costs each kind of process."""
        parts = dict.fromkeys((*KINDS, "other"), 0.0)
        for name, used in self._read().items():
            kind = name.partition("-")[0]
            parts[kind if kind in parts else "other"] += used - self._before[name]
        return {
            f"{kind} %": round(100 * seconds / stream_seconds, 2) for kind, seconds in parts.items()
        }

    def _read(self) -> dict[str, float]:
        read = {}
        for name, process in self._processes.items():
            # RabbitMQ's start script may have the node itself as its child.
            family = (
                [process, *process.children(recursive=True)] if name == "rabbitmq" else [process]
            )
            times = [one.cpu_times() for one in family]
            read[name] = sum(one.user + one.system for one in times)
        return read
