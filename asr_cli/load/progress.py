"""The state of a load while it runs: one line that changes, or now and then a new one."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Final

from rich.console import Console
from rich.live import Live
from rich.text import Text

LINE_SECONDS: Final = 5
"""Between the lines of a log."""


@contextlib.contextmanager
def shown(console: Console, line: Callable[[], str]) -> Iterator[Callable[[], None]]:
    """Yields what is to be called every second."""
    if console.is_terminal:
        with Live("", console=console, auto_refresh=False, transient=True) as live:
            yield lambda: live.update(Text(line()), refresh=True)
        return
    calls = 0

    def now_and_then() -> None:
        nonlocal calls
        calls += 1
        if calls % LINE_SECONDS == 1:
            console.print(Text(line()), soft_wrap=True)

    yield now_and_then
