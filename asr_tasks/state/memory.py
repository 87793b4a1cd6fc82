"""Sessions without a server: for unit tests of stream tasks and for `run_stream`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from threading import Lock

from asr_tasks.contracts.errors import StaleLease
from asr_tasks.contracts.lease import Checkpoint, Lease
from asr_tasks.contracts.results import Result, Segment
from asr_tasks.state.sessions import RECENT, Behind, Claim, Ending


@dataclass(slots=True)
class _Session:
    epoch: int
    checkpoint: Checkpoint = field(default_factory=Checkpoint)
    commits: int = 0
    tries: int = 0
    at_work: bool = False
    finals: list[Result] = field(default_factory=list)
    ending: Ending | None = None


class MemorySessions:
    """Sessions in a dictionary; the same rules as the Lua scripts, checked by one suite."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._sessions: dict[str, _Session] = {}

    def assign(self, lease: Lease) -> None:
        """Give the session to the lease's epoch, as an allocator would."""
        with self._lock:
            session = self._sessions.setdefault(lease.session, _Session(0))
            session.epoch = lease.epoch
            session.tries += 1

    def claim(self, lease: Lease, *, reports: int | None = None) -> Claim:
        del reports
        with self._lock:
            session = self._owned(lease)
            count = len(session.finals)
            recent = tuple(Segment(i, final) for i, final in enumerate(session.finals))[-RECENT:]
            return Claim(session.checkpoint, count, session.commits, session.tries, recent)

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
        with self._lock:
            session = self._owned(lease)
            if serial > session.commits:
                if first != len(session.finals):
                    raise Behind(len(session.finals))
                session.finals.extend(finals)
                session.checkpoint = checkpoint
                session.commits = serial
                if not on_trial:
                    session.tries, session.at_work = 0, False
            elif serial != session.commits:
                raise StaleLease("serial")
            return len(session.finals)

    def finish(self, lease: Lease, ending: Ending, *, commits: int) -> int:
        with self._lock:
            session = self._owned(lease)
            if session.commits < commits:
                raise Behind(len(session.finals))
            session.ending = ending
            return len(session.finals)

    def note_trial(self, lease: Lease, *, at_work: bool) -> None:
        with self._lock:
            self._owned(lease).at_work = at_work

    def at_work(self, session: str) -> bool:
        """Whether the session is noted to be at work, on trial."""
        with self._lock:
            return self._sessions[session].at_work

    def check(self, lease: Lease) -> None:
        with self._lock:
            self._owned(lease)

    def forget(self, session: str, finals: int, commits: int) -> None:
        """Lose the last moments, as a Redis does whose machine lost power."""
        with self._lock:
            held = self._sessions[session]
            del held.finals[finals:]
            held.commits = commits

    def transcript(self, session: str) -> str:
        with self._lock:
            return "\n".join(r.text for r in self._sessions[session].finals if r.text)

    def ending(self, session: str) -> Ending | None:
        """How the session ended, if it did."""
        with self._lock:
            return self._sessions[session].ending

    def _owned(self, lease: Lease) -> _Session:
        session = self._sessions.get(lease.session)
        if session is None or session.epoch != lease.epoch or session.ending is not None:
            raise StaleLease
        return session
