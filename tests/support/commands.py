"""The `asr` command as a child process that Ctrl-C reaches, however the tests were started."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.eventually import eventually

ROOT = Path(__file__).parents[2]

# A shell that runs the tests in the background leaves SIGINT ignored, and a child inherits that.
_BEGIN = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
sys.argv[0] = "asr"
from asr_cli.main import main
main()
"""


@dataclass
class Command:
    """One run of it; both outputs go to one file."""

    process: subprocess.Popen[bytes]
    log: Path
    arguments: tuple[str, ...] = field(default=())

    @property
    def output(self) -> str:
        """What it has printed so far."""
        return self.log.read_text("utf-8", "replace")

    def wait(self, within: float = 60.0) -> int:
        """Its exit status."""
        try:
            return self.process.wait(within)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"asr {self.arguments} still runs:\n{self.output}") from None

    def interrupt(self) -> None:
        """Ctrl-C."""
        self.process.send_signal(signal.SIGINT)

    def until(self, words: str, within: float = 60.0) -> None:
        """Wait until it has said this; fails at once if it ends without."""

        def said() -> bool:
            ended = self.process.poll() is not None
            if words in self.output:
                return True
            if ended:
                raise SystemError(f"asr {self.arguments} ended:\n{self.output}")
            raise AssertionError(self.output)

        eventually(said, within=within)


@contextmanager
def asr(log: Path, *arguments: str | Path, **environment: str) -> Iterator[Command]:
    """The command, running; killed at the end of the block if it still does."""
    given = tuple(str(one) for one in arguments)
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-c", _BEGIN, *given],
            cwd=ROOT,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield Command(process, log, given)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(30)
