"""One look at a process, at Redis, at RabbitMQ's queues."""

from __future__ import annotations

import os
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any, Final

import psutil
import redis

from asr_tasks.contracts import names
from tests.servers.choose import Server

MIB: Final = 2**20
CTL: Final = (Path("/usr/lib/rabbitmq/bin/rabbitmqctl"), Path("/opt/rabbitmq/sbin/rabbitmqctl"))
CTL_SECONDS: Final = 30
KEYS: Final = ("session_keys", "orphan_keys", "result_keys", "other_keys")


def process(pid: int, *, children: bool = False) -> dict[str, float] | None:
    """Memory, threads, descriptors, connections of a process; None if it is gone.

    With ``children``, of them too: a server may be the child of its start script.
    """
    try:
        first = psutil.Process(pid)
        family = [first, *(first.children(recursive=True) if children else [])]
        return {
            "rss_mib": round(sum(one.memory_info().rss for one in family) / MIB, 2),
            "threads": sum(one.num_threads() for one in family),
            "fds": sum(one.num_fds() for one in family),
            "connections": sum(_established(one) for one in family),
        }
    except psutil.Error:  # it went while we looked
        return None


def _established(one: psutil.Process) -> int:
    return sum(c.status == psutil.CONN_ESTABLISHED for c in one.net_connections("tcp"))


def live_sessions(client: redis.Redis) -> tuple[int, Counter[str]]:
    """How many sessions there are, and how many of them each worker and gateway has."""
    sessions: list[Any] = sorted(client.smembers(names.SESSIONS_KEY))
    pipeline = client.pipeline(transaction=False)
    for session in sessions:
        pipeline.hmget(names.session_key(session), ["worker", "gateway"])
    owners = Counter(name for pair in pipeline.execute() for name in pair if name)
    return len(sessions), owners


def slots_in_use(client: redis.Redis) -> dict[str, int]:
    """Assigned sessions of each worker that has any."""
    workers: list[Any] = sorted(client.smembers(names.WORKERS_KEY))
    counts = {name: int(client.scard(names.worker_sessions_key(name))) for name in workers}
    return {name: count for name, count in counts.items() if count}


def store(client: redis.Redis) -> dict[str, float]:
    """Redis's own figures; lasting keys are those without an expiry."""
    info: dict[str, Any] = client.info()
    keys = info.get("db0", {"keys": 0, "expires": 0})
    return {
        "redis_keys": keys["keys"],
        "redis_expiring": keys["expires"],
        "redis_used_mib": round(info["used_memory"] / MIB, 3),
        "redis_clients": info["connected_clients"],
    }


def keys(client: redis.Redis) -> dict[str, float]:
    """All keys by kind, and the memory that is used beside results, which expire by themselves.

    ``orphan_keys`` are those of sessions that are not among the live.
    """
    known: set[Any] = set(client.smembers(names.SESSIONS_KEY))
    count = Counter(dict.fromkeys(KEYS, 0))
    results = []
    for key in client.scan_iter(count=1000):
        if key.startswith("asr:session:"):
            count["session_keys"] += 1
            count["orphan_keys"] += key.split(":")[2] not in known
        elif key.startswith(("asr:result:", "celery-task-meta-")):
            count["result_keys"] += 1
            results.append(key)
        else:
            count["other_keys"] += 1
    pipeline = client.pipeline(transaction=False)
    for key in results:
        pipeline.memory_usage(key)
    theirs = sum(size for size in pipeline.execute() if size)
    used: int = client.info("memory")["used_memory"]
    return {**count, "redis_lasting_mib": round((used - theirs) / MIB, 3)}


class Broker:
    """RabbitMQ's own lists, of a node that is ours and on this machine."""

    def __init__(self, server: Server) -> None:
        environment: dict[str, str] = getattr(server, "env", {})
        self._env = {
            **os.environ,
            **environment,
            # The tool is an Erlang node itself: one thread, and reachable from here alone.
            "RABBITMQ_CTL_ERL_ARGS": "+S 1:1 -kernel inet_dist_use_interface {127,0,0,1}",
        }
        found = next((path for path in CTL if os.access(path, os.X_OK)), None)
        self._tool = found if environment else None

    @property
    def answers(self) -> bool:
        """Whether it can be asked at all."""
        return self._tool is not None

    def session_queues(self) -> dict[str, int]:
        """The sessions' queues, and how many consume each."""
        rows = (row.split("\t") for row in self._ask("list_queues", "name", "consumers"))
        return {
            name: int(consumers)
            for name, consumers in rows
            if name.startswith(("task.", "result."))
        }

    def figures(self) -> dict[str, float]:
        """Queues by kind, and channels; nothing if it cannot be asked."""
        if not self.answers:
            return {}
        listed = Counter(name.partition(".")[0] for name in self._ask("list_queues", "name"))
        return {
            "task_queues": listed["task"],
            "result_queues": listed["result"],
            "other_queues": listed.total() - listed["task"] - listed["result"],
            "channels": len(self._ask("list_channels", "pid")),
        }

    def _ask(self, *command: str) -> list[str]:
        answer = subprocess.run(
            [str(self._tool), "--quiet", *command, "--no-table-headers"],
            env=self._env,
            capture_output=True,
            text=True,
            timeout=CTL_SECONDS,
            check=True,
            start_new_session=True,  # Ctrl-C is for us
        )
        return answer.stdout.split("\n")[:-1]
