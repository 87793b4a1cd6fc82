"""The status board: one look for all who watch, none when nobody does."""

from __future__ import annotations

import asyncio
import json
from types import SimpleNamespace
from typing import Any

import pytest

from gateway.protocols import kaldi_status
from gateway.protocols.kaldi_status import Board
from tests.support.eventually import eventually_async


class Connection:
    """One watcher's, which stays until it is told to go."""

    def __init__(self, _settings: Any = None) -> None:
        self.heard: list[dict[str, int]] = []
        self.gone = asyncio.Event()
        self.ws = None
        opened.append(self)

    async def open(self, request: Any) -> None:
        return

    async def send(self, text: str) -> None:
        self.heard.append(json.loads(text))

    async def receive(self) -> None:
        await self.gone.wait()


class Store:
    """Counts the looks; answers when the test says so."""

    def __init__(self) -> None:
        self.looks, self.free = 0, 3
        self.answers = asyncio.Event()

    async def free_slots(self) -> int:
        self.looks += 1
        await self.answers.wait()
        return self.free


opened: list[Connection] = []
LINE = {"num_workers_available": 3, "num_requests_processed": 0}


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def board(store: Store, monkeypatch: pytest.MonkeyPatch) -> Board:
    opened.clear()
    monkeypatch.setattr(kaldi_status, "Connection", Connection)
    services: Any = SimpleNamespace(store=store, settings=None)
    registry: Any = SimpleNamespace(processed=0)
    return Board(registry, services)


def board_tasks() -> list[asyncio.Task[Any]]:
    return [task for task in asyncio.all_tasks() if task.get_name() == "kaldi status"]


async def leave(*serving: asyncio.Task[Any]) -> None:
    for connection in opened:
        connection.gone.set()
    await asyncio.gather(*serving, return_exceptions=True)


async def test_two_first_watchers_share_one_look(
    board: Board, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kaldi_status, "_LOOK_SECONDS", 60.0)
    serving = [asyncio.create_task(board.serve(None)) for _ in range(2)]  # type: ignore[arg-type]
    await eventually_async(lambda: store.looks)
    store.answers.set()
    await eventually_async(lambda: all(one.heard == [LINE] for one in opened))
    assert (len(opened), store.looks, len(board_tasks())) == (2, 1, 1)
    late = asyncio.create_task(board.serve(None))  # type: ignore[arg-type]
    await eventually_async(lambda: len(opened) == 3 and opened[2].heard == [LINE])
    assert (store.looks, len(board_tasks())) == (1, 1)
    await leave(*serving, late)
    await board.close()


async def test_a_first_watcher_that_is_cancelled_leaves_nothing(
    board: Board, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kaldi_status, "_LOOK_SECONDS", 0.01)
    serving = asyncio.create_task(board.serve(None))  # type: ignore[arg-type]
    await eventually_async(lambda: store.looks)
    serving.cancel()
    await asyncio.wait({serving})
    store.answers.set()
    await eventually_async(lambda: not board._watchers and not board_tasks())
