"""A TCP proxy that does to connections what a network does: cut them, or let nothing through."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TypeVar

T = TypeVar("T")


class Proxy:
    """Forwards connections to one address. Its methods belong to the loop that serves it."""

    def __init__(self, target: tuple[str, int]) -> None:
        self._target = target
        self._server: asyncio.Server | None = None
        self._links: set[_Link] = set()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self.connections = 0

    @property
    def port(self) -> int:
        """Where it listens."""
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    async def start(self) -> None:
        """Listen on a free loopback port."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)

    def cut(self) -> None:
        """Reset every connection (RST, no goodbye); new ones are welcome."""
        for link in list(self._links):
            _reset(link.near)
            _reset(link.far)
            link.flowing.set()
            link.answering.set()

    def vanish(self) -> None:
        """The callers are gone and the server does not learn of it: what stands now stays open
        on the server's side and carries nothing any more, until :meth:`cut`.
        """
        for link in list(self._links):
            link.flowing.clear()
            _reset(link.near)

    def stall(self) -> None:
        """Let nothing through in either direction, as when packets are dropped; nobody is told."""
        self._flowing.clear()

    def stall_answers(self) -> None:
        """Let nothing through to those who called; what they say goes on."""
        for link in self._links:
            link.answering.clear()

    def flow(self) -> None:
        """Let everything through again, what was held back first."""
        self._flowing.set()
        for link in self._links:
            link.answering.set()

    def close(self) -> None:
        """End."""
        if self._server is not None:
            self._server.close()
        self._flowing.set()
        self.cut()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            onward, back = await asyncio.open_connection(*self._target)
        except OSError:
            _reset(writer)
            return
        link = _Link(writer, back)
        self._links.add(link)
        try:
            await asyncio.gather(
                self._pump(reader, back, link.flowing),
                self._pump(onward, writer, link.flowing, link.answering),
            )
        finally:
            self._links.discard(link)
            for each in (writer, back):
                each.close()

    async def _pump(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        *gates: asyncio.Event,
    ) -> None:
        with contextlib.suppress(ConnectionError, OSError):
            while data := await reader.read(65_536):
                for gate in (self._flowing, *gates):
                    await gate.wait()
                writer.write(data)
                await writer.drain()
        for gate in (self._flowing, *gates):
            await gate.wait()
        with contextlib.suppress(ConnectionError, OSError, RuntimeError):
            writer.write_eof()


@dataclass(slots=True, eq=False)
class _Link:
    near: asyncio.StreamWriter
    far: asyncio.StreamWriter
    flowing: asyncio.Event = field(default_factory=asyncio.Event)
    answering: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.flowing.set()
        self.answering.set()


def _reset(writer: asyncio.StreamWriter) -> None:
    connection = writer.get_extra_info("socket")
    if connection is not None:
        with contextlib.suppress(OSError):
            linger = struct.pack("ii", 1, 0)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    writer.transport.abort()


@contextlib.asynccontextmanager
async def proxy(host: str, port: int) -> AsyncIterator[Proxy]:
    """A proxy to ``host:port`` on a free loopback port, for as long as the block lasts."""
    made = Proxy((host, port))
    await made.start()
    try:
        yield made
    finally:
        made.close()


class ProxyThread:
    """Proxies in a loop of their own, so that no other work of the process delays them."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="proxies", daemon=True)
        self._proxies: list[Proxy] = []

    def add(self, host: str, port: int) -> Proxy:
        """One more; use :meth:`do` to touch it."""

        async def made() -> Proxy:
            proxy = Proxy((host, port))
            await proxy.start()
            return proxy

        proxy = asyncio.run_coroutine_threadsafe(made(), self._loop).result(5)
        self._proxies.append(proxy)
        return proxy

    def do(self, act: Callable[[], T]) -> T:
        """Call something of a proxy in its loop and wait for it."""
        done: Future[T] = Future()

        def call() -> None:
            try:
                done.set_result(act())
            except Exception as error:
                done.set_exception(error)

        self._loop.call_soon_threadsafe(call)
        return done.result(5)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()
        pending = asyncio.all_tasks(self._loop)
        for task in pending:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*pending, return_exceptions=True))
        self._loop.close()

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End all of them."""
        for each in self._proxies:
            self.do(each.close)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)


@contextlib.contextmanager
def proxies() -> Iterator[ProxyThread]:
    """A thread of proxies for as long as the block lasts."""
    thread = ProxyThread()
    thread.start()
    try:
        yield thread
    finally:
        thread.stop()
