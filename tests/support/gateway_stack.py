"""A gateway with everything behind it, for tests: fake worker, real protocol."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from asr_tasks.contracts.errors import UnknownModel
from asr_tasks.contracts.jobs import Jobs
from asr_tasks.state.redis_sessions import RedisSessions
from gateway.app import Gateway, start
from gateway.bus import SessionBus
from gateway.sessions_store import SessionsStore
from gateway.settings import GatewaySettings
from tests.support.fake_worker import FakeAllocator, OpenQueues


class OneModel:
    """A catalogue with one model."""

    task = ""
    frame = 0

    def get(self, name: str) -> OneModel:
        if name != "english":
            raise UnknownModel(f"no model is called {name!r}")
        return self

    def describe(self) -> list[dict[str, Any]]:
        return [{"name": "english", "language": "en", "available": True, "description": "fake"}]


@dataclass
class Stack:
    """One gateway and what is behind it."""

    gateway: Gateway
    allocator: FakeAllocator
    store: SessionsStore
    http: aiohttp.ClientSession
    bus: SessionBus

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.gateway.port}"

    def stream(self, **query: Any) -> Client:
        """A native client, not connected yet."""
        query.setdefault("model", "english")
        return Client(self.http, f"{self.url}/v1/stream", query)


class Client:
    """A plain WebSocket client of the native protocol that keeps all it hears."""

    def __init__(self, http: aiohttp.ClientSession, url: str, query: dict[str, Any]) -> None:
        self._http, self._url, self._query = http, url, query
        self.heard: list[dict[str, Any]] = []
        self.ready: dict[str, Any] = {}

    async def __aenter__(self) -> Client:
        query = {name: str(value) for name, value in self._query.items() if value is not None}
        self.ws = await self._http.ws_connect(
            self._url, params=query, autoclose=True, max_msg_size=0, compress=0
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.ws.close()

    async def hear(self, within: float = 10.0) -> dict[str, Any] | None:
        """The next message; None when the server closed."""
        message = await self.ws.receive(within)
        if message.type is not aiohttp.WSMsgType.TEXT:
            return None
        heard: dict[str, Any] = json.loads(message.data)
        self.heard.append(heard)
        if heard.get("type") == "ready":
            self.ready = heard
        return heard

    async def until(self, kind: str, within: float = 10.0) -> dict[str, Any]:
        """Hear until a message of this type."""
        async with asyncio.timeout(within):
            while (message := await self.hear(within)) is not None:
                if message["type"] == kind:
                    return message
        raise AssertionError(f"closed with {self.ws.close_code} before {kind}: {self.heard[-3:]}")

    async def rest(self, within: float = 10.0) -> int | None:
        """Hear everything; the close code."""
        try:
            async with asyncio.timeout(within):
                while await self.hear(within) is not None:
                    continue
        except TimeoutError:
            raise AssertionError(f"still open; heard last: {self.heard[-5:]}") from None
        return self.ws.close_code

    async def say(self, **message: Any) -> None:
        await self.ws.send_str(json.dumps(message))

    async def send(self, data: bytes, piece: int = 3200, pace: float = 0.0) -> None:
        for at in range(0, len(data), piece):
            await self.ws.send_bytes(data[at : at + piece])
            if pace:
                await asyncio.sleep(pace)

    @property
    def finals(self) -> list[str]:
        segments = [m["segment"] for m in self.heard if m["type"] == "final"]
        assert segments == sorted(set(segments)), "a final came twice or out of order"
        return [m["text"] for m in self.heard if m["type"] == "final"]

    def last(self, kind: str) -> dict[str, Any]:
        return [m for m in self.heard if m["type"] == kind][-1]


@asynccontextmanager
async def stack(
    bus: SessionBus,
    redis_url: str,
    open_queues: OpenQueues,
    *,
    allocator: FakeAllocator | None = None,
    name: str = "gateway-a",
    jobs: Jobs | None = None,
    **settings: Any,
) -> AsyncIterator[Stack]:
    """A gateway on a free port; closed at the end."""
    settings.setdefault("resume_seconds", 2.0)
    options = GatewaySettings(
        host="127.0.0.1", port=0, gateway_name=name, redis_url=redis_url, **settings
    )
    allocator = allocator or FakeAllocator(RedisSessions.connect(redis_url), open_queues)
    store = SessionsStore.connect(redis_url, name, 60)
    gateway = await start(
        options, bus=bus, store=store, allocator=allocator, models=OneModel(), jobs=jobs
    )
    async with aiohttp.ClientSession() as http:
        try:
            yield Stack(gateway, allocator, store, http, bus)
        finally:
            await gateway.close()


@dataclass
class Leftovers:
    """What must not be there when sessions have ended."""

    keys: list[str] = field(default_factory=list)
    queues: list[str] = field(default_factory=list)
