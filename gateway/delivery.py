"""Which results a client is told: every final once and in order, partials of what comes next.

No I/O: messages and looks go in, events come out. Redis is the truth about finals; the result
queue is only faster. A final that is missing is asked for with :attr:`Delivery.wants_look`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from asr_tasks.contracts.results import Kind, Message, Segment
from asr_tasks.contracts.states import SessionState
from gateway.events import Done, Event, Failed, FinalResult, PartialResult, StateChanged
from gateway.session_records import Outcome, View


class Delivery:
    """The results of one session on their way to one client."""

    def __init__(self, next_segment: int = 0) -> None:
        """``next_segment``: the first final that the client does not have."""
        self.next_segment = next_segment
        self.wants_look = False
        """Whether Redis has to be asked soon: something is missing or the stream has ended."""
        self._over = False
        self._epoch = 0
        self._partial = ""
        self._state: StateChanged | None = None
        self._end: Done | None = None

    @property
    def over(self) -> bool:
        """Whether the last event was told."""
        return self._over

    def message(self, message: Message) -> Iterator[Event]:
        """A message from the result queue."""
        if self.over:
            return
        if message.epoch < self._epoch:
            # From a worker that has lost the session. If it is a final, it was committed before
            # that: Redis has it.
            self.wants_look |= message.kind is Kind.FINAL and message.index >= self.next_segment
            return
        self._epoch = message.epoch
        match message.kind:
            case Kind.WORKING:
                yield from self._stand(SessionState.STREAMING, None)
            case Kind.PARTIAL if message.result is not None:
                if message.index > self.next_segment:
                    self.wants_look = True
                elif message.index == self.next_segment and message.result.text != self._partial:
                    self._partial = message.result.text
                    yield PartialResult(message.index, message.result)
            case Kind.FINAL if message.result is not None:
                yield from self._finals([Segment(message.index, message.result)])
            case Kind.END:
                self._end = Done(message.segments, message.duration, message.reason)
                yield from self._finish()
            case Kind.FAILED:
                # The finals that were committed before come from Redis, and the code with them.
                self.wants_look = True

    def look(self, found: View | Outcome | None, segments: Iterable[Segment]) -> Iterator[Event]:
        """What Redis says about the session (and its finals from ``next_segment`` on)."""
        if self._over:
            return
        self.wants_look = False
        yield from self._finals(segments)
        if not self.over:
            yield from self._stand_of(found)

    def _stand_of(self, found: View | Outcome | None) -> Iterator[Event]:
        match found:
            case View():
                self._epoch = max(self._epoch, found.epoch)
                yield from self._stand(SessionState(found.state), found.position)
                self.wants_look |= self._end is not None
            case Outcome(state=SessionState.DONE):
                self._end = Done(len(found.segments), found.duration, found.reason)
                yield from self._finish()
            case Outcome():
                self._over = True
                yield Failed(found.code, found.message)

    def _finals(self, segments: Iterable[Segment]) -> Iterator[Event]:
        for segment in segments:
            if segment.index > self.next_segment:
                self.wants_look = True
                return
            if segment.index == self.next_segment:
                self.next_segment += 1
                self._partial = ""
                yield FinalResult(segment.index, segment.result)
        if self._end is not None:
            yield from self._finish()

    def _finish(self) -> Iterator[Event]:
        if self.over or self._end is None:
            return
        if self.next_segment >= self._end.segments:
            self._over = True
            yield self._end
        else:
            self.wants_look = True

    def _stand(self, state: SessionState, position: int | None) -> Iterator[Event]:
        stand = StateChanged(state, position if state is SessionState.WAITING else None)
        if stand != self._state:
            self._state = stand
            yield stand
