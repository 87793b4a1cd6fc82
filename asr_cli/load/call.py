"""One call of a load: when what was sent, and how late its answers came."""

from __future__ import annotations

from collections import deque
from typing import Final

from asr_cli.audio import BYTES_PER_SECOND
from asr_cli.client import Accepted, Done, Event, Partial, Ready, Reconnecting
from asr_cli.client import Final as FinalEvent
from asr_cli.load.figures import Figures

UNANSWERED: Final = 6000
"""Chunks that are remembered until they are accepted; the client holds no more audio than that."""


class Call:
    """Notes what happens in one session.

    Audio is timed from when it was due, not from when it went out: a caller who is held back is
    served late, however quickly the rest is answered then.
    """

    def __init__(self, figures: Figures) -> None:
        self._figures = figures
        self._asked = figures.clock()
        self._began = 0.0
        self._ended = 0.0
        self._bytes = 0
        self._accepted = 0
        self._waiting: deque[tuple[int, float]] = deque(maxlen=UNANSWERED)
        self._spoke = False
        self.opened = False
        self.done = False

    def begin(self) -> None:
        """The first sample is spoken now."""
        self._began = self._figures.clock()

    def send(self, size: int) -> None:
        """A chunk of so many bytes goes out."""
        self._bytes += size
        due = self._began + self._bytes / BYTES_PER_SECOND
        self._figures.late.add(self._figures.clock() - due)
        self._figures.sent += 1
        self._waiting.append((self._bytes, due))

    def end(self) -> None:
        """The caller has said all."""
        self._ended = self._figures.clock()

    def see(self, event: Event) -> None:
        """Note an event of the session."""
        figures, now = self._figures, self._figures.clock()
        match event:
            case Ready() if not self.opened:
                self.opened = True
                figures.went_live()
                figures.connect.add(now - self._asked)
            case Reconnecting() if self.opened:
                figures.reconnects += 1
            case Accepted():
                while self._waiting and self._waiting[0][0] <= event.bytes:
                    figures.accept.add(now - self._waiting.popleft()[1])
                    figures.accepted += 1
            case Partial():
                figures.partials += 1
                self._hear(event.text, now)
            case FinalEvent():
                figures.finals += 1
                self._hear(event.text, now)
                if event.text:
                    figures.lag.add(now - (self._began + event.end))
            case Done():
                self.done = True
                figures.done += 1
                if self._ended:
                    figures.tail.add(now - self._ended)

    def close(self) -> None:
        """The session is over, well or not."""
        if self.opened:
            self._figures.live -= 1

    def _hear(self, text: str, now: float) -> None:
        if text and not self._spoke:
            self._spoke = True
            self._figures.first.add(now - self._began)
