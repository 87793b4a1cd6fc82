"""What the callers of a run counted and timed; all of them write here, in one event loop."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from asr_cli.client.link import Traffic
from asr_cli.load.spread import Spread


@dataclass(slots=True)
class Figures:
    """The present state of a run.

    Attributes:
        opened: sessions that were greeted; ``refused`` got an answer that was no greeting;
            ``failed`` got none, or were greeted and did not end well.
        done: sessions whose every final came; ``cut``: those that were still at it at the end.
        live: sessions at this moment, ``most`` at any.
        reconnects: connections that broke and were made again; those sessions went on.
        sent, accepted: chunks of 0.1 s.
        connect: seconds from asking for a session to its greeting.
        accept: from sending a chunk to being told that it is stored.
        first: from a call's first sample to its first words.
        lag: from the last word of a final being spoken to the final.
        tail: from the end of a call to its last message.
        late: by how much chunks were sent too late: the load generator's own doing.
        errors: by code, and ``said``: the last message of each.
    """

    clock: Callable[[], float] = time.monotonic
    opened: int = 0
    refused: int = 0
    failed: int = 0
    done: int = 0
    cut: int = 0
    live: int = 0
    most: int = 0
    reconnects: int = 0
    sent: int = 0
    accepted: int = 0
    partials: int = 0
    finals: int = 0
    traffic: Traffic = field(default_factory=Traffic)
    connect: Spread = field(default_factory=Spread)
    accept: Spread = field(default_factory=Spread)
    first: Spread = field(default_factory=Spread)
    lag: Spread = field(default_factory=Spread)
    tail: Spread = field(default_factory=Spread)
    late: Spread = field(default_factory=Spread)
    errors: Counter[str] = field(default_factory=Counter)
    said: dict[str, str] = field(default_factory=dict)
    began: float = 0.0
    ended: float = 0.0

    def begin(self) -> None:
        """The run begins now."""
        self.began = self.clock()

    def end(self) -> None:
        """The run is over."""
        self.ended = self.clock()

    @property
    def elapsed(self) -> float:
        """Seconds so far, or in all."""
        return (self.ended or self.clock()) - self.began if self.began else 0.0

    def went_live(self) -> None:
        """A session was greeted."""
        self.opened += 1
        self.live += 1
        self.most = max(self.most, self.live)

    def blame(self, code: str, message: str) -> None:
        """Count an error."""
        self.errors[code] += 1
        self.said[code] = message
