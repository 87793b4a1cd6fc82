"""What allocator tests share: stores on every server, opened sessions, pretended workers."""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from allocator.offer import Lost, Offer, Reconciled
from allocator.store import Store
from asr_tasks.contracts import names
from asr_tasks.contracts.errors import UnknownModel
from asr_tasks.contracts.lease import ON_TRIAL


@contextmanager
def fake_redis() -> Iterator[str]:
    """The embedded default's Redis, on a loopback port."""
    from fakeredis import TcpFakeServer

    server = TcpFakeServer(("127.0.0.1", 0), server_type="redis")
    thread = threading.Thread(target=server.serve_forever, daemon=True, name="fakeredis")
    thread.start()
    try:
        yield f"redis://127.0.0.1:{server.server_address[1]}/0"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


class Sent:
    """A dispatcher that keeps what it is given."""

    def __init__(self) -> None:
        self.offers: list[Offer] = []
        self.forgotten: list[str] = []

    def send(self, offer: Offer) -> None:
        self.offers.append(offer)

    def forget(self, worker: str) -> None:
        self.forgotten.append(worker)

    async def ping(self) -> None:
        pass

    async def close(self) -> None:
        pass

    def of(self, session: str) -> list[Offer]:
        """What was sent for one session."""
        return [offer for offer in self.offers if offer.session == session]


class AnyModel:
    """A catalogue with every model but ``nonsense``."""

    async def check(self, name: str) -> None:
        if name == "nonsense":
            raise UnknownModel


async def open_session(store: Store, model: str = "english", priority: int = 0, **more: Any) -> str:
    """What the gateway does before it asks for a worker."""
    session = names.new_session_id()
    fields = {
        "state": "waiting",
        "epoch": 0,
        "model": model,
        "priority": priority,
        "committed": 0,
        "segments": 0,
        "gateway_epoch": 1,
    }
    await store.redis.hset(names.session_key(session), mapping={**fields, **more})
    await store.redis.sadd(names.SESSIONS_KEY, session)
    return session


async def session_of(store: Store, session: str) -> dict[str, str]:
    """The session's hash."""
    return await store.read("HGETALL", names.session_key(session))


async def result_of(store: Store, session: str) -> dict[str, Any] | None:
    """What is left of an ended session."""
    text = await store.read("GET", names.result_key(session))
    return json.loads(text) if text else None


async def worker_of(store: Store, worker: str) -> dict[str, str]:
    """The worker's hash."""
    return await store.read("HGETALL", names.worker_key(worker))


class FakeWorker:
    """A worker as the scripts see it; its streams do nothing."""

    def __init__(self, store: Store, name: str, slots: int = 1, model: str = "english") -> None:
        self.store = store
        self.name = name
        self.slots = slots
        self.model = model
        self.running: list[Lost] = []
        self.boot()

    def boot(self) -> None:
        """A new process."""
        self.incarnation = uuid.uuid4().hex
        self.stream = uuid.uuid4().hex
        self.sequence = 0
        self.running.clear()

    async def register(self) -> tuple[Lost, ...]:
        """Announce it on a new stream."""
        self.stream = uuid.uuid4().hex
        return await self.store.register(
            self.name, self.model, self.incarnation, self.stream, self.slots, "host"
        )

    async def report(self, state: str = "ready") -> Reconciled | None:
        """Say what runs."""
        self.sequence += 1
        return await self.store.heartbeat(
            self.name, self.incarnation, self.stream, self.sequence, state, self.running
        )

    async def ready(self) -> FakeWorker:
        """Register and be ready."""
        await self.register()
        await self.report()
        return self

    async def claim(self, offer: Offer) -> None:
        """What the stream's body does first (claim.lua, without its word)."""
        assert offer.worker == self.name
        self.running.append((offer.session, offer.epoch))
        key = names.session_key(offer.session)
        # Through the store, which heeds a cancellation that redis-py swallows: a test may end just
        # when it sees what this wrote.
        await self.store.read("HSET", key, "state", "streaming", "claim", "word")
        if int(await self.store.read("HGET", key, "attempts") or 0) >= ON_TRIAL:
            await self.store.read("HSET", key, "trial", offer.epoch)

    async def finish(self, session: str) -> None:
        """What the body does last (finish.lua, in short), and then it returns."""
        await self.store.redis.delete(names.session_key(session))
        await self.store.redis.srem(names.SESSIONS_KEY, session)
        await self.store.redis.set(
            names.result_key(session), f'{{"id":"{session}","state":"done"}}'
        )
        self.leave(session)

    def leave(self, session: str) -> None:
        """The body returned."""
        self.running[:] = [pair for pair in self.running if pair[0] != session]
