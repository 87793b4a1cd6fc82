"""One server process of ours: started, killed and stopped by its pid, never by its name."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path


class ServerProcess:
    """A child process in its own group, its output in a file."""

    def __init__(self, command: list[str], *, env: dict[str, str], log: Path, cwd: Path) -> None:
        self._command = command
        self._env = {**os.environ, **env}
        self._log = log
        self._cwd = cwd
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Of the running process."""
        assert self._process is not None
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start it; returns at once."""
        assert not self.alive
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                env=self._env,
                cwd=self._cwd,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the whole group."""
        if self._process is not None and self._process.poll() is None:
            os.killpg(self._process.pid, number)

    def kill9(self) -> None:
        """Die at once, as a machine does."""
        self.signal(signal.SIGKILL)
        self.wait(10)

    def stop(self, within: float = 15.0) -> int | None:
        """Ask it to end; kill it if it does not. Returns its exit code."""
        if self._process is None:
            return None
        self.signal(signal.SIGTERM)
        try:
            return self._process.wait(within)
        except subprocess.TimeoutExpired:
            self.kill9()
            return self._process.returncode

    def wait(self, within: float) -> int:
        """Its exit code; raises subprocess.TimeoutExpired."""
        assert self._process is not None
        return self._process.wait(within)

    def tail(self, lines: int = 30) -> str:
        """The end of its output, for a failing test's report."""
        text = self._log.read_text("utf-8", "replace") if self._log.exists() else ""
        return "\n".join(text.splitlines()[-lines:])
