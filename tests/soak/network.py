"""The way to one gateway, for one caller: breaks on demand."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from tests.support.proxy import Proxy


class Network(Proxy):
    """A proxy that refuses, as the kernel would, while the gateway behind it is away."""

    @property
    def url(self) -> str:
        """Where the caller connects."""
        return f"http://127.0.0.1:{self.port}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await super()._serve(reader, writer)
        except OSError:
            writer.transport.abort()


@contextlib.asynccontextmanager
async def network(port: int) -> AsyncIterator[Network]:
    """A way to the gateway on that port, for as long as the block lasts."""
    made = Network(("127.0.0.1", port))
    made._server = await asyncio.start_server(made._serve, "127.0.0.1", 0)
    try:
        yield made
    finally:
        made._server.close()
        made.cut()
