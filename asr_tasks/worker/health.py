"""``/healthz``, ``/readyz`` and ``/metrics`` of a worker, from threads of their own.

Not `celery inspect ping`: a worker that drains does not answer it, and would be killed for it.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from asr_tasks import log

_log = log.get("asr.worker")

Check = Callable[[], str]
"""Returns "" when all is well, else what is not, in a few words; must not block for long."""


class Health:
    """Serves them until closed.

    Args:
        address: host:port to listen on; port 0: any free one.
        checks: what being ready means, by name.
    """

    def __init__(self, address: str, checks: Mapping[str, Check]) -> None:
        handler = type("Handler", (_Handler,), {"checks": dict(checks)})
        host, _, port = address.rpartition(":")
        self._server = ThreadingHTTPServer((host, int(port)), handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.2}, name="health"
        )
        self._thread.daemon = True

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.server_address[1])

    def start(self) -> None:
        """Begin; returns at once."""
        self._thread.start()
        _log.info("health", port=self.port)

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5.0)


class _Handler(BaseHTTPRequestHandler):
    checks: Mapping[str, Check]
    timeout = 5.0

    def do_GET(self) -> None:
        match self.path.partition("?")[0]:
            case "/healthz":
                self._answer(200, "application/json", b'{"alive": true}')
            case "/readyz":
                trouble = {name: said for name, check in self.checks.items() if (said := check())}
                body = json.dumps({"ready": not trouble, "trouble": trouble}).encode()
                self._answer(503 if trouble else 200, "application/json", body)
            case "/metrics":
                self._answer(200, CONTENT_TYPE_LATEST, generate_latest())
            case _:
                self._answer(404, "text/plain", b"not found\n")

    def log_message(self, format: str, *args: object) -> None:
        """Probes are not worth a line each."""

    def _answer(self, status: int, content_type: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
