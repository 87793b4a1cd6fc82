"""`python -m tests.soak`: an hour of calls and restarts; exit code 0 if nothing grew."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from tests.bench import machine
from tests.servers import choose
from tests.soak import logs, plot
from tests.soak.options import Options, parse
from tests.soak.report import Report
from tests.soak.soak import Soak, Tell, build
from tests.support.cluster import running

LINE_SECONDS: Final = 60.0
"""Between lines of progress where there is no terminal."""
NOTHING: Final = 130
"""Exit code of a soak that was ended before there was anything to judge."""


def main() -> int:
    """Run one soak on servers of our own; report it, however it ended."""
    options = parse()
    about = machine.describe()
    print(*(f"{name}: {value}" for name, value in about.items()), sep="\n", flush=True)
    with (
        tempfile.TemporaryDirectory(prefix="asr-soak-") as name,
        choose.rabbitmq(Path(name) / "rabbitmq") as rabbitmq,
        choose.redis(Path(name) / "redis") as store,
        running(build(options, rabbitmq, store, Path(name))) as cluster,
        _progress() as tell,
    ):
        tell("the system starts", 0.0)
        cluster.wait_ready()
        soak = Soak(options, cluster, rabbitmq, store, tell)
        with contextlib.suppress(asyncio.CancelledError, KeyboardInterrupt):
            asyncio.run(_until_told(soak))
        return _report(soak, options, about, Path(name))


async def _until_told(soak: Soak) -> None:
    """The first Ctrl-C lets no more callers come, the second ends it as it is."""
    running = asyncio.current_task()
    assert running is not None

    def on_signal() -> None:
        if soak.churn is not None and not soak.stop.is_set():
            soak.stop.set()
        else:
            running.cancel()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, on_signal)
    try:
        await soak.run()
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


def _report(soak: Soak, options: Options, about: dict[str, object], folder: Path) -> int:
    if soak.churn is None:
        print("ended before anything was measured")
        return NOTHING
    report = Report(soak, about, logs.errors(folder))
    written, drawn = options.out / "soak.json", options.out / "soak.png"
    report.write(written)
    plot.draw(soak.sampler.samples, soak.churn, soak.restarts.done, drawn)
    report.show()
    print(written, drawn, *([] if report.good else [logs.keep(folder, options.out / "soak-logs")]))
    return 0 if report.good else 1


@contextlib.contextmanager
def _progress() -> Iterator[Tell]:
    """A bar on a terminal, now and then a line elsewhere."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _Lines()
        return
    with Progress(BarColumn(), TextColumn("{task.description}"), console=console) as bar:
        task = bar.add_task("", total=1.0)
        yield lambda what, share: bar.update(task, description=what, completed=share)


class _Lines:
    """Prints a line each minute, and whenever another phase begins."""

    def __init__(self) -> None:
        self._last, self._phase = -LINE_SECONDS, ""

    def __call__(self, what: str, share: float) -> None:
        phase = what.rpartition(" left: ")[1] or what.partition(" ")[0]
        now = time.monotonic()
        if phase != self._phase or now - self._last >= LINE_SECONDS:
            self._last, self._phase = now, phase
            print(what, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
