"""Run a stream task from a list of chunks, with no broker, no Redis and no worker.

::

    results = run_stream(transcribe, chunks_of(pcm), model="english")
    assert results.finals[0].text == "hello"
"""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from threading import Event
from typing import Any

from asr_tasks.contracts.audio import BYTES_PER_SAMPLE, SAMPLE_RATE, Chunk
from asr_tasks.contracts.lease import Lease
from asr_tasks.contracts.names import new_session_id
from asr_tasks.contracts.results import Kind, Message, Result
from asr_tasks.state.memory import MemorySessions
from asr_tasks.state.sessions import Ending
from asr_tasks.streaming.drive import Environment, drive
from asr_tasks.streaming.limits import Limits
from asr_tasks.transport.base import Delivery, SessionQueues


@dataclass(slots=True)
class Run:
    """What a stream said.

    Attributes:
        messages: everything on its result queue, in order.
        ending: how the session ended; None if it was left for another worker.
        unacknowledged: chunks that would be redelivered to a successor.
        deleted: whether its queues were deleted, which is the gateway's to do while there is one.
    """

    messages: list[Message] = field(default_factory=list)
    ending: Ending | None = None
    unacknowledged: list[Chunk] = field(default_factory=list)
    deleted: bool = False

    @property
    def partials(self) -> list[Result]:
        """The partials, in order."""
        return [m.result for m in self.messages if m.kind is Kind.PARTIAL and m.result]

    @property
    def finals(self) -> list[Result]:
        """The finals, in order."""
        return [m.result for m in self.messages if m.kind is Kind.FINAL and m.result]


class ListedQueues:
    """Session queues over a list; deliveries come in the order given, then nothing more."""

    def __init__(self, chunks: Iterable[Chunk]) -> None:
        self.run = Run()
        self._waiting: queue.SimpleQueue[Delivery] = queue.SimpleQueue()
        self._held: dict[int, Chunk] = {}
        for tag, chunk in enumerate(chunks):
            self._held[tag] = chunk
            self._waiting.put(Delivery(chunk, tag, redelivered=False))

    @property
    def connected(self) -> bool:
        return True

    def receive(self, timeout: float) -> Delivery | None:
        """The next one, without waiting: nothing else will come."""
        try:
            return self._waiting.get_nowait()
        except queue.Empty:
            Event().wait(min(timeout, 0.001))
            return None

    def ack(self, deliveries: Sequence[Delivery]) -> None:
        """Forget them."""
        for delivery in deliveries:
            tag = delivery.tag
            assert isinstance(tag, int)
            self._held.pop(tag, None)

    def publish(self, message: Message, *, confirm: bool) -> None:
        """Keep it."""
        self.run.messages.append(message)

    def close(self) -> None:
        """What was not acknowledged would go back to the queue."""
        self.run.unacknowledged = list(self._held.values())


class _OneSession:
    def __init__(self, queues: ListedQueues) -> None:
        self._queues = queues

    def open(self, session: str) -> SessionQueues:
        return self._queues

    def delete(self, session: str) -> None:
        self._queues.run.deleted = True

    def close(self) -> None:
        return


def run_stream(
    task: Callable[..., Any],
    chunks: Iterable[Chunk],
    *,
    sessions: MemorySessions | None = None,
    lease: Lease | None = None,
    limits: Limits | None = None,
    **parameters: Any,
) -> Run:
    """Run a stream task's body over ``chunks``; what it raises comes through.

    Args:
        task: a stream task, or the bare function.
        chunks: in any order; without an end of stream the task ends as idle.
        sessions: to run a session on after another worker's part of it.
        lease: under which it runs then.
        limits: defaults that suit a test: idle at once.
        parameters: the task's own keyword arguments.
    """
    store = sessions or MemorySessions()
    owner = lease or Lease(new_session_id(), "test", 1)
    store.assign(owner)
    queues = ListedQueues(chunks)
    environment = Environment(_OneSession(queues), store, limits or Limits(idle=0.0, store=1.0))
    body = getattr(task, "run", task)
    try:
        drive(environment, owner, body, parameters)
    finally:
        queues.run.ending = store.ending(owner.session)
    return queues.run


def chunks_of(pcm: bytes, seconds: float = 0.1) -> list[Chunk]:
    """Cut PCM16 at 16 kHz into chunks and add the end of stream."""
    step = int(seconds * SAMPLE_RATE) * BYTES_PER_SAMPLE
    cut = [Chunk(at // BYTES_PER_SAMPLE, pcm[at : at + step]) for at in range(0, len(pcm), step)]
    return [*cut, Chunk(len(pcm) // BYTES_PER_SAMPLE, eos=True)]
