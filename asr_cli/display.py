"""What a person sees of a stream: finals that stay, one partial that changes in place."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from typing import Protocol

from rich.console import Console
from rich.live import Live
from rich.text import Text

from asr_cli.client import (
    Done,
    Event,
    Final,
    Moved,
    Partial,
    Ready,
    Reconnecting,
    Warned,
)


class Display(Protocol):
    """Shows events; used as a context manager."""

    def show(self, event: Event) -> None:
        """One event."""
        ...

    def __enter__(self) -> Display: ...

    def __exit__(self, *_: object) -> None: ...


class JsonLines:
    """One JSON object a line, for machines: the event's fields and its kind as ``event``.

    ``at``: seconds since the first sample was sent; null before.
    """

    def __init__(self, console: Console, clock: Callable[[], float | None]) -> None:
        self._console = console
        self._clock = clock

    def show(self, event: Event) -> None:
        """Print it."""
        at = self._clock()
        line = {
            "event": type(event).__name__.lower(),
            "at": None if at is None else round(at, 3),
            **asdict(event),
        }
        self._console.file.write(json.dumps(line) + "\n")
        self._console.file.flush()

    def __enter__(self) -> JsonLines:
        return self

    def __exit__(self, *_: object) -> None:
        return


class Lines:
    """A line an event, for a pipe or a log; partials only if they are asked for."""

    def __init__(self, console: Console, *, partials: bool) -> None:
        self._console = console
        self._partials = partials

    def show(self, event: Event) -> None:
        """Print it, if it says something."""
        if isinstance(event, Partial):
            if self._partials:
                self._console.print(Text(f"  … {event.text}"))
        elif (line := described(event)) is not None:
            self._console.print(line)

    def __enter__(self) -> Lines:
        return self

    def __exit__(self, *_: object) -> None:
        return


class Screen:
    """For a terminal: finals scroll, the partial below them changes in place."""

    def __init__(self, console: Console, *, partials: bool) -> None:
        self._console = console
        self._partials = partials
        self._live = Live("", console=console, auto_refresh=False, transient=True)

    def show(self, event: Event) -> None:
        """Update the screen."""
        if isinstance(event, Partial):
            if self._partials:
                self._live.update(Text(f"  {event.text}", style="dim italic"), refresh=True)
            return
        if isinstance(event, Final | Done):
            self._live.update("", refresh=True)
        if (line := described(event)) is not None:
            self._live.console.print(line)

    def __enter__(self) -> Screen:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()


def choose(
    console: Console, clock: Callable[[], float | None], *, machine: bool, partials: bool
) -> Display:
    """The display that fits where the output goes; ``clock`` as of :class:`JsonLines`."""
    if machine:
        return JsonLines(console, clock)
    if console.is_terminal:
        return Screen(console, partials=partials)
    return Lines(console, partials=partials)


def described(event: Event) -> Text | None:
    """An event as a line; None for one that is not worth a line."""
    match event:
        case Final():
            times = f"{event.start:7.2f} – {event.end:6.2f}  "
            return Text.assemble((times, "cyan"), (event.text or "(nothing)", "bold"))
        case Ready(resumed=False):
            return Text(f"session {event.session}, model {event.model}", style="dim")
        case Ready():
            return Text("resumed: nothing was lost", style="green")
        case Moved(state="waiting"):
            place = f", {event.position} in the queue" if event.position else ""
            return Text(f"waiting for a worker{place}", style="yellow")
        case Reconnecting():
            return Text(f"{event.reason}: trying again in {event.delay:.1f} s", style="yellow")
        case Warned():
            return Text(event.message, style="yellow")
        case Done():
            return Text(
                f"done: {event.segments} segments, {event.duration:.1f} s of audio", style="dim"
            )
    return None
