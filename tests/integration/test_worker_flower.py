"""Flower shows a live call as a task, and its Terminate button ends it."""

from __future__ import annotations

import base64
import json
import urllib.request
from typing import Any

import pytest

from tests.integration.test_worker_process import cluster, drive, name
from tests.servers.ports import free_port
from tests.support.cluster import Cluster
from tests.support.eventually import eventually
from tests.support.streams_of_worker import Driver

__all__ = ["cluster", "drive", "name"]
pytestmark = pytest.mark.integration


class Flower:
    def __init__(self, port: int) -> None:
        self._root = f"http://127.0.0.1:{port}"

    def ask(self, path: str, *, post: bool = False) -> Any:
        request = urllib.request.Request(self._root + path, data=b"" if post else None)
        request.add_header("Authorization", "Basic " + base64.b64encode(b"op:pw").decode())
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:
                return json.loads(answer.read())
        except OSError:
            return None


@pytest.fixture
def flower(cluster: Cluster, drive: Driver) -> Flower:
    port = free_port()
    cluster._start(
        "flower",
        [
            *("-m", "celery", "-A", "asr_tasks", "flower"),
            *(f"--port={port}", "--address=127.0.0.1", "--basic-auth=op:pw"),
        ],
        {},
        port,
        port,
    )
    return Flower(port)


def test_flower_shows_a_call_and_its_terminate_ends_it(
    flower: Flower, drive: Driver, name: str
) -> None:
    eventually(lambda: flower.ask("/api/workers"), within=20)
    session = drive.open()
    drive.speak(session, 0, 3)

    def task() -> Any:
        return flower.ask(f"/api/task/info/{session}")

    shown = eventually(lambda: (t := task()) and t["state"] == "STREAMING" and t, within=10)
    assert shown["name"] == "asr.transcribe"
    assert shown["worker"] == f"asr@{name}"
    for readable in (session, "echo", "test"):
        assert readable in shown["kwargs"]
    assert shown["started"]
    flower.ask(f"/api/task/revoke/{session}?terminate=true", post=True)
    eventually(lambda: drive.state(session) is None, within=2)
    eventually(lambda: _is(task(), "FAILURE"), within=5)
    assert "Cancelled" in task()["exception"]


def _is(task: dict[str, Any] | None, state: str) -> bool:
    assert task is not None
    assert task["state"] == state, task
    return True
