"""The scripts of the Valkey pods, run: three nodes and their sentinels on loopback addresses."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import redis

from tests.deploy.manifests import ROOT
from tests.servers.ports import free_port
from tests.servers.process import ServerProcess
from tests.support.eventually import eventually

SCRIPTS = ROOT / "k8s/components/valkey"
PASSWORD = "secret-of-the-test"
PROGRAMS = {"valkey-server": "redis-server", "valkey-cli": "redis-cli"}

pytestmark = [
    pytest.mark.faults,
    pytest.mark.skipif(
        not all(shutil.which(a) or shutil.which(b) for a, b in PROGRAMS.items()),
        reason="needs valkey-server or redis-server",
    ),
]


@dataclass
class Pod:
    """One pod: its disk, its two containers."""

    address: str
    environment: dict[str, str]
    folder: Path
    parts: list[ServerProcess] = field(default_factory=list)

    def start(self) -> None:
        for name in ("valkey", "sentinel"):
            part = ServerProcess(
                ["sh", str(SCRIPTS / f"{name}.sh")],
                env=self.environment,
                log=self.folder / f"{name}.log",
                cwd=self.folder,
            )
            part.start()
            self.parts.append(part)

    def kill9(self) -> None:
        while self.parts:
            self.parts.pop().kill9()

    def stop(self) -> None:
        while self.parts:
            self.parts.pop().stop()

    def client(self) -> redis.Redis:
        return redis.Redis(
            self.address,
            int(self.environment["PORT"]),
            password=PASSWORD,
            socket_timeout=2,
            decode_responses=True,
        )

    def role(self) -> str:
        try:
            with self.client() as client:
                return str(client.info("replication")["role"])
        except redis.RedisError:
            return ""

    def followers(self) -> int:
        try:
            with self.client() as client:
                return int(client.info("replication")["connected_slaves"])
        except redis.RedisError:
            return 0

    def write(self, key: str) -> bool:
        """Whether a replica has it, too; a new primary refuses until it has heard from one."""
        try:
            with self.client() as client:
                client.set(key, "kept")
                return int(client.wait(1, 2000)) >= 1
        except redis.RedisError:
            return False

    def read(self, key: str) -> str | None:
        try:
            with self.client() as client:
                return client.get(key)
        except redis.RedisError:
            return None


@pytest.fixture
def pods(tmp_path: Path) -> Iterator[list[Pod]]:
    binaries = tmp_path / "bin"
    binaries.mkdir()
    for name, other in PROGRAMS.items():
        (binaries / name).symlink_to(shutil.which(name) or shutil.which(other) or "")
    password = tmp_path / "password"
    password.write_text(PASSWORD)
    addresses = [f"127.0.2.{n}" for n in (1, 2, 3)]
    port, sentinel_port = str(free_port()), str(free_port())
    made = []
    for number, address in enumerate(addresses):
        folder = tmp_path / f"pod-{number}"
        (folder / "data").mkdir(parents=True)
        (folder / "run").mkdir()
        environment = {
            "PATH": f"{binaries}:{os.environ['PATH']}",
            "SELF": address,
            "FIRST": addresses[0],
            # In the cluster a Service of all sentinels; here the neighbour's.
            "SENTINELS": addresses[(number + 1) % 3],
            "BIND": address,
            "PORT": port,
            "SENTINEL_PORT": sentinel_port,
            "DATA": str(folder / "data"),
            "RUN": str(folder / "run"),
            "PASSWORD_FILE": str(password),
        }
        made.append(Pod(address, environment, folder))
    with contextlib.ExitStack() as stack:
        for pod in made:
            stack.callback(pod.stop)
            pod.start()
        yield made


def primary(pods: list[Pod]) -> Pod:
    """The one that both others follow."""
    return next(p for p in pods if p.role() == "master" and p.followers() == len(pods) - 1)


def settled(pods: list[Pod]) -> Pod | None:
    with contextlib.suppress(StopIteration):
        return primary(pods)
    return None


def known_to_sentinels(pods: list[Pod]) -> set[tuple[int, int]]:
    """Peers and replicas that each sentinel sees: others it can neither ask nor lead."""
    found = set()
    for pod in pods:
        try:
            with redis.Redis(
                pod.address,
                int(pod.environment["SENTINEL_PORT"]),
                socket_timeout=2,
                decode_responses=True,
            ) as client:
                state = client.sentinel_master("asr")
                found.add((int(state["num-other-sentinels"]), int(state["num-slaves"])))
        except redis.RedisError:
            found.add((-1, -1))
    return found


def test_a_node_that_dies_is_replaced_and_all_remember_who_is_primary(pods: list[Pod]) -> None:
    first = eventually(lambda: settled(pods), within=40, every=0.2)
    assert first is pods[0]
    eventually(lambda: known_to_sentinels(pods) == {(2, 2)}, within=40, every=0.2)
    eventually(lambda: first.write("before"), within=20, every=0.2)
    eventually(lambda: all(pod.read("before") for pod in pods), within=20, every=0.2)

    first.kill9()
    others = pods[1:]
    second = eventually(lambda: settled(others), within=60, every=0.2)
    assert second.read("before") == "kept"
    eventually(lambda: second.write("meanwhile"), within=20, every=0.2)

    first.start()
    eventually(lambda: first.role() == "slave", within=40, every=0.2)
    eventually(lambda: all(pod.read("meanwhile") for pod in pods), within=40, every=0.2)

    for pod in pods:
        pod.stop()
    for pod in pods:
        pod.start()
    again = eventually(lambda: settled(pods), within=60, every=0.2)
    assert again is second  # not the one of the very first start
    assert all(eventually(lambda p=p: p.read("meanwhile"), within=20) for p in pods)


def test_a_primary_that_nobody_follows_refuses_writes(pods: list[Pod]) -> None:
    first = eventually(lambda: settled(pods), within=40, every=0.2)
    eventually(lambda: first.write("accepted"), within=20, every=0.2)
    for pod in pods:
        pod.parts[1].stop()  # no sentinel: nobody replaces it
    for pod in pods[1:]:
        pod.stop()
    with first.client() as client, pytest.raises(redis.ResponseError, match="NOREPLICAS"):
        eventually(lambda: not client.set("lost", "1"), within=30, every=0.2)
