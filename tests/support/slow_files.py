"""A web server that can seek, and that keeps part of its files back until the test lets them go."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class SlowFiles:
    """Serves the files of a folder; bytes from ``gate`` on only once :meth:`open` was called."""

    def __init__(self, folder: Path, gate: int) -> None:
        self.folder = folder
        self.gate = gate
        self.url = ""
        self.asked_beyond = threading.Event()
        """Somebody waits for what is kept back."""
        self.asked_whole = False
        """Somebody wanted a file from its beginning to its end."""
        self._opened = threading.Event()

    def open(self) -> None:
        """Let everything go."""
        self._opened.set()

    def part(self, name: str, header: str) -> tuple[bytes, int, int, int]:
        """What a Range header asks for; its first byte, its last, and the file's size."""
        size = (self.folder / name).stat().st_size
        asked = re.fullmatch(r"bytes=(\d+)-(\d+)", header)
        self.asked_whole = self.asked_whole or asked is None
        first = int(asked[1]) if asked else 0
        last = min(int(asked[2]) if asked else size, size - 1)
        if last >= self.gate:
            self.asked_beyond.set()
            self._opened.wait(120)
        with (self.folder / name).open("rb") as file:
            file.seek(first)
            return file.read(last + 1 - first), first, last, size


@contextmanager
def slow_files(folder: Path, gate: int) -> Iterator[SlowFiles]:
    """The server, on loopback."""
    files = SlowFiles(folder, gate)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            size = (files.folder / self.path.lstrip("/")).stat().st_size
            self.send_response(200)
            self.send_header("Accept-Ranges", "bytes")
            self.send_header("Content-Length", str(size))
            self.end_headers()

        def do_GET(self) -> None:
            header = self.headers.get("Range", "")
            data, first, last, size = files.part(self.path.lstrip("/"), header)
            self.send_response(206 if header else 200)
            if header:
                self.send_header("Content-Range", f"bytes {first}-{last}/{size}")
            self.send_header("Accept-Ranges", "bytes")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            try:
                self.wfile.write(data)
            except OSError:
                self.close_connection = True  # who asked has gone

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    files.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, name="slow files")
    thread.start()
    try:
        yield files
    finally:
        files.open()
        server.shutdown()
        server.server_close()
        thread.join(10)
