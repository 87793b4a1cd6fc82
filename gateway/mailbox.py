"""What waits to be told to one session's client: bounded, and only the newest of what is
cumulative.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from itertools import zip_longest
from typing import Final

from asr_tasks.contracts.results import Kind, Message, Segment
from gateway.events import Event
from gateway.session_records import Outcome, View

LIMIT: Final = 2_000
"""Results held for a client that reads slowly; older ones are dropped then, and the finals among
them come from Redis."""


@dataclass(frozen=True, slots=True)
class Look:
    """How the session stood in Redis; ``found`` is None if it is unknown there."""

    found: View | Outcome | None
    segments: list[Segment]


@dataclass(slots=True)
class Batch:
    """Everything that came since the last batch, in the order in which it is to be told."""

    accepted: int | None
    messages: list[Message]
    look: Look | None
    events: list[Event]


class Mailbox:
    """Many writers, one reader, all in the event loop."""

    def __init__(self) -> None:
        self._messages: deque[Message] = deque(maxlen=LIMIT)
        self._events: deque[Event] = deque(maxlen=LIMIT)
        self._look: Look | None = None
        self._accepted: int | None = None
        self._some = asyncio.Event()

    def message(self, message: Message) -> None:
        """A result from the broker."""
        self._messages.append(message)
        self._some.set()

    def look(self, look: Look) -> None:
        """What Redis says; replaces what it said before."""
        self._look = look
        self._some.set()

    def accepted(self, samples: int) -> None:
        """Audio up to there is durable."""
        self._accepted = samples
        self._some.set()

    def event(self, event: Event) -> None:
        """Something to be told as it is."""
        self._events.append(event)
        self._some.set()

    async def take(self) -> Batch:
        """Everything so far, at least one thing. Partials that the next message replaces are left
        out: a slow reader needs only the newest.
        """
        await self._some.wait()
        self._some.clear()
        messages = list(self._messages)
        batch = Batch(
            accepted=self._accepted,
            messages=[
                message
                for message, later in zip_longest(messages, messages[1:])
                if message.kind is not Kind.PARTIAL
                or later is None
                or later.kind is not Kind.PARTIAL
            ],
            look=self._look,
            events=list(self._events),
        )
        self._messages.clear()
        self._events.clear()
        self._look = self._accepted = None
        return batch
