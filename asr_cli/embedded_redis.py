"""Redis inside this process: fakeredis behind a loopback port.

Behind a port, because every client of Redis (ours, Celery's, Flower's) then works unchanged by
its URL; Lua scripts, pub/sub and expiry included.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any

import redis
from fakeredis import TcpFakeServer
from fakeredis._clients._tcp_server import TCPFakeRequestHandler

POLL_SECONDS = 0.1
STOP_SECONDS = 2.0


class _Handler(TCPFakeRequestHandler):  # type: ignore[misc]  # fakeredis ships no types
    """Answers an error with an error, as Redis does; the original hangs up after one, and a
    script that is not loaded yet (NOSCRIPT) is an everyday error.
    """

    def setup(self) -> None:
        super().setup()
        answer: Callable[..., Any] = self.current_client.read_response

        def answer_or_error(*args: Any, **options: Any) -> Any:
            try:
                return answer(*args, **options)
            except redis.ResponseError as error:
                return error

        self.current_client.read_response = answer_or_error


@contextlib.contextmanager
def embedded_redis() -> Iterator[str]:
    """The URL of a fresh, empty store, for as long as the block lasts."""
    server = TcpFakeServer(("127.0.0.1", 0), server_type="redis")
    server.RequestHandlerClass = _Handler
    server.daemon_threads = True
    # Connections of clients that are still open must not keep the process.
    server.block_on_close = False
    thread = threading.Thread(
        target=server.serve_forever,
        kwargs={"poll_interval": POLL_SECONDS},
        name="redis",
        daemon=True,
    )
    thread.start()
    try:
        yield f"redis://127.0.0.1:{server.server_address[1]}/0"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(STOP_SECONDS)
