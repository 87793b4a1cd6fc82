"""A private Redis (or Valkey) on a free port, with the persistence production has."""

from __future__ import annotations

import contextlib
import shutil
import time
from pathlib import Path

import redis

from tests.servers.ports import free_port, wait_for_port
from tests.servers.process import ServerProcess

START_SECONDS = 10.0


class LocalRedis:
    """A ``redis-server`` process of our own; append-only file, fsync every second."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        """Where its append-only file lies."""
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        binary = shutil.which("redis-server") or shutil.which("valkey-server")
        assert binary is not None, "available() was not asked"
        options = {
            "port": self.port,
            "bind": "127.0.0.1",
            "dir": folder,
            "save": "",
            "appendonly": "yes",
            "appendfsync": "everysec",
        }
        command = [binary]
        for name, value in options.items():
            command += [f"--{name}", str(value)]
        self.process = ServerProcess(command, env={}, log=folder / "redis.log", cwd=folder)

    @staticmethod
    def available() -> bool:
        """Whether the program is installed."""
        return bool(shutil.which("redis-server") or shutil.which("valkey-server"))

    def start(self) -> None:
        """Start (again) on the same port with the same data; returns once it has loaded them.

        Raises:
            TimeoutError: it does not answer.
        """
        self.process.start()
        wait_for_port(self.port, within=START_SECONDS)
        deadline = time.monotonic() + START_SECONDS
        with redis.Redis.from_url(self.url) as client:
            while time.monotonic() < deadline:
                # A port that is open answers LOADING until the append-only file is read.
                with contextlib.suppress(redis.ConnectionError):
                    client.ping()
                    return
                time.sleep(0.01)
        raise TimeoutError(f"Redis did not load its data within {START_SECONDS} s")

    def kill9(self) -> None:
        """Die at once."""
        self.process.kill9()

    def stop(self) -> None:
        """End it."""
        self.process.stop()
