"""The commit protocol of one stream: Redis, then the result queue, then the acknowledgement.

What happens if this process dies at each step:

1. before the script ran: the successor starts at the previous commit and recognises again;
2. after the script, before the final was published: the successor, or the gateway's own look
   at Redis, delivers it; it has its index already, so it cannot come twice;
3. after publishing, before the acknowledgement: the broker redelivers audio the successor's
   position is past; it is dropped.

When Redis does not answer, it is unknown whether the script ran. The same commit is then
repeated verbatim under the same serial before anything newer, so it takes effect once.
Until it has, nothing of it is published or acknowledged.

A Redis that has lost power comes back as it was a second before, and the audio of that second is
acknowledged already. The owner remembers what it committed last and puts it back.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from asr_tasks import log
from asr_tasks.contracts.errors import StaleLease
from asr_tasks.contracts.lease import Checkpoint, Lease
from asr_tasks.contracts.results import Kind, Message, Result
from asr_tasks.state.sessions import RECENT, Behind, Claim, Sessions, StoreDown

_log = log.get("asr.stream")


@dataclass(slots=True)
class _Commit:
    serial: int
    finals: list[Result] = field(default_factory=list)
    checkpoint: Checkpoint = field(default_factory=Checkpoint)


class Committer:
    """Commits of one stream, one after the other; used by the stream's thread only.

    Args:
        sessions: the store.
        lease: under which everything is written.
        claim: where the stream began.
        publish: sends one message to the result queue and returns once it is confirmed.
        settle: acknowledges the audio up to a position (samples).
    """

    def __init__(
        self,
        sessions: Sessions,
        lease: Lease,
        claim: Claim,
        publish: Callable[[Message], None],
        settle: Callable[[int], None],
    ) -> None:
        self._sessions = sessions
        self._lease = lease
        self._publish = publish
        self._settle = settle
        self._serial = claim.commits
        self._known = deque(((s.index, s.result) for s in claim.recent), maxlen=RECENT)
        self._checkpoint = claim.checkpoint
        self._sent: _Commit | None = None
        self._next: _Commit | None = None
        self.on_trial = False
        """Whether commits leave the session's tries as they are."""
        self.segments = claim.segments
        self.position = claim.checkpoint.position

    @property
    def pending(self) -> int:
        """Finals that were emitted and committed by the task but are not in Redis yet."""
        return sum(len(c.finals) for c in (self._sent, self._next) if c is not None)

    def add(self, finals: list[Result], checkpoint: Checkpoint) -> None:
        """What the next commit carries, joined to what waits already."""
        if self._next is None:
            self._next = _Commit(0)
        self._next.finals.extend(finals)
        self._next.checkpoint = checkpoint

    def flush(self, *, ended: bool = False) -> bool:
        """Try to commit what waits.

        Returns:
            Whether nothing waits any more; False when Redis did not answer.

        Raises:
            StaleLease: another worker owns the session.
        """
        while True:
            if self._sent is None:
                if self._next is None:
                    return True
                self._serial += 1
                self._next.serial = self._serial
                self._sent, self._next = self._next, None
            try:
                self._carry_out(self._sent, ended=ended)
            except StoreDown:
                return False
            self._sent = None

    @property
    def commits(self) -> int:
        """Serial of the last commit."""
        return self._serial

    def restore(self) -> bool:
        """Commit the last checkpoint again, with whatever finals the store has lost before it.

        Returns, and raises: as :meth:`flush`.
        """
        self.add([], self._checkpoint)
        return self.flush(ended=True)

    def _carry_out(self, commit: _Commit, *, ended: bool) -> None:
        try:
            total = self._write(commit, commit.finals, self.segments, ended=ended)
        except Behind as behind:
            lost = self._since(behind.segments)
            _log.warning("commits put back", session=self._lease.session, finals=len(lost))
            total = self._write(commit, lost + commit.finals, behind.segments, ended=ended)
        first = total - len(commit.finals)
        self._known.extend(enumerate(commit.finals, first))
        self._checkpoint = commit.checkpoint
        # crash here: the finals are in Redis; the successor publishes the last one again and
        # the gateway finds any other by its index.
        for offset, final in enumerate(commit.finals):
            self._publish(
                Message(Kind.FINAL, self._lease.epoch, result=final, index=first + offset)
            )
        self.segments = total
        self.position = commit.checkpoint.position
        # crash here: the audio comes again and lies before the committed position.
        self._settle(self.position)

    def _write(self, commit: _Commit, finals: list[Result], first: int, *, ended: bool) -> int:
        return self._sessions.commit(
            self._lease,
            commit.serial,
            finals,
            commit.checkpoint,
            first=first,
            ended=ended,
            on_trial=self.on_trial,
        )

    def _since(self, index: int) -> list[Result]:
        """The finals from there on that were committed before.

        Raises:
            StaleLease: they are not ours to know: somebody else has committed, or the store has
                lost more than is remembered.
        """
        lost = [result for at, result in self._known if at >= index]
        if index > self.segments or len(lost) != self.segments - index:
            raise StaleLease(f"the store has {index} finals of {self.segments}")
        return lost
