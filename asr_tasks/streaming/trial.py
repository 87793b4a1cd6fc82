"""Who is to blame when a worker dies: sessions on trial are heard one at a time, by name.

A worker runs many streams, and one of them may carry audio that kills the process. The first
deaths say nothing about which; each session is given to another worker and has lost a try. A
session that has lost two without a commit since is *on trial*: whenever its worker does anything
with its audio, Redis says so (the field ``trial``), and in each process only one stream on trial
works at a time. A worker that dies then names its killer:
``fail_over`` takes a try from that session alone, and the others keep theirs. So a session with a
poisonous chunk is given up after a bounded number of tries, and nobody goes down with it.

A stream that has committed, and then has nothing left to read, is past what its workers died of:
that ends the trial. While a stream waits for audio it is not at work, and another may be.
"""

from __future__ import annotations

from threading import Lock
from typing import Final

from asr_tasks import log
from asr_tasks.contracts.lease import ON_TRIAL, Lease
from asr_tasks.state.sessions import Sessions, StoreDown

WAIT_SECONDS: Final = 5.0
"""Longest wait for another stream on trial; a recogniser that hangs must not stop all of them."""

_log = log.get("asr.stream")
_at_work = Lock()


class Trial:
    """Of one stream; used by its thread only.

    Args:
        sessions: where it is noted.
        lease: of the stream.
        tries: of the session since its last commit, this one included.
    """

    def __init__(self, sessions: Sessions, lease: Lease, tries: int) -> None:
        self._sessions = sessions
        self._lease = lease
        self.on = tries >= ON_TRIAL
        self._alone = False
        self._noted = False
        self._committed = False

    def work(self) -> None:
        """Before anything is done with the session's audio.

        Raises:
            StaleLease: another worker owns the session.
        """
        if not self.on or self._alone:
            return
        # Noted only then: whoever waits for its turn is not to blame for what happens meanwhile.
        self._alone = _at_work.acquire(timeout=WAIT_SECONDS)
        if not self._alone:
            _log.warning("another stream on trial takes long", session=self._lease.session)
        self._note(True)

    def rest(self) -> None:
        """Before waiting for audio: nothing is being done with it, and all there is was read.

        Raises:
            StaleLease: another worker owns the session.
        """
        if self.on:
            self._note(False)
            self.leave()
            self.on = not self._committed

    def committed(self) -> None:
        """What was read up to here killed nobody."""
        self._committed = True

    def leave(self) -> None:
        """Let others work; what is noted stays, for whoever finds this process dead."""
        if self._alone:
            self._alone = False
            _at_work.release()

    def _note(self, at_work: bool) -> None:
        if self._noted == at_work:
            return
        try:
            self._sessions.note_trial(self._lease, at_work=at_work)
        except StoreDown as down:
            # Unnoted, this try is not counted if the worker dies now; the next one is.
            _log.warning("trial not noted", session=self._lease.session, error=str(down))
        else:
            self._noted = at_work
