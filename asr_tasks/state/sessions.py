"""The owner's view of a session's state: claim it, commit to it, end it.

:class:`Sessions` is the port. :class:`~asr_tasks.state.redis_sessions.RedisSessions` implements it,
and :class:`~asr_tasks.state.memory.MemorySessions` without a server.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from asr_tasks.contracts.lease import Checkpoint, Lease
from asr_tasks.contracts.results import Result, Segment

RECENT = 50
"""Finals that an owner can put back into a store that has lost its last moments: many seconds of
speech, where Redis with ``appendfsync everysec`` may lose one or two."""


class StoreDown(Exception):
    """Redis did not answer; whether the command took effect is unknown: repeat it verbatim."""


class Behind(Exception):
    """The store has lost the last commits (it came back as it was a moment before).

    Attributes:
        segments: finals that it still has.
    """

    def __init__(self, segments: int) -> None:
        super().__init__(f"the store has {segments} finals left")
        self.segments = segments


@dataclass(frozen=True, slots=True)
class Claim:
    """What a successor needs to go on.

    Attributes:
        checkpoint: where the committed audio ends, and the recogniser's state there.
        segments: number of finals committed so far.
        commits: serial of the last commit.
        tries: of the session since its last commit, this one included.
        recent: the last committed finals: the very last may not have been published, and a store
            that loses its last moments gets them back from the owner.
    """

    checkpoint: Checkpoint
    segments: int
    commits: int
    tries: int = 1
    recent: tuple[Segment, ...] = ()


@dataclass(frozen=True, slots=True)
class Ending:
    """How a stream ended.

    Attributes:
        state: ``done`` or ``failed``.
        duration: seconds of audio that were read.
        reason: ``eos``, ``idle`` or ``limit``.
        code, message: of the error, when failed.
    """

    state: str
    duration: float
    reason: str = ""
    code: str = ""
    message: str = ""


class Sessions(Protocol):
    """Port. Every method raises StaleLease when the lease's epoch is no longer the session's
    (or the session is gone), and StoreDown when the store does not answer.
    """

    def claim(self, lease: Lease, *, reports: int | None = None) -> Claim:
        """Take the session; to be called before any effect.

        Args:
            lease: the assignment.
            reports: number of the last report this worker wrote; every later one lists the
                session for as long as it runs.
        """
        ...

    def commit(
        self,
        lease: Lease,
        serial: int,
        finals: Sequence[Result],
        checkpoint: Checkpoint,
        *,
        first: int,
        ended: bool,
        on_trial: bool = False,
    ) -> int:
        """Append finals and move the committed position; the same serial again is a retry.

        Args:
            lease: the assignment.
            serial: of this commit, higher than the last one's.
            finals: to be appended.
            checkpoint: everything before it is dealt with.
            first: index of the first of the finals; the number of those committed before.
            ended: all audio was read.
            on_trial: the session's tries go on counting.

        Returns:
            The number of finals committed in all.

        Raises:
            Behind: the store has fewer finals than ``first``.
        """
        ...

    def finish(self, lease: Lease, ending: Ending, *, commits: int) -> int:
        """End the session and keep its result for a while; returns the number of finals.

        Args:
            lease: the assignment.
            ending: how it ended.
            commits: serial of the last commit.

        Raises:
            Behind: the store does not have that commit (any more).
        """
        ...

    def note_trial(self, lease: Lease, *, at_work: bool) -> None:
        """Whether the owner is at work on the audio of a session that is on trial."""
        ...

    def check(self, lease: Lease) -> None:
        """Only whether the lease still holds."""
        ...

    def transcript(self, session: str) -> str:
        """The finals' texts of a session, live or ended, one a line."""
        ...
