"""Who is to blame when a worker dies: sessions on trial are heard one at a time, by name.

A worker runs many streams, and one of them may carry audio that kills the process. The first
deaths say nothing about which; each session is given to another worker and has lost a try. A
session that has lost two without a commit since is *on trial*: whenever its worker does anything
with its audio, Redis says so (the field ``trial``), and in each process only one stream on trial
works at a time. A worker that dies then names its killer:
``fail_over`` takes a try from that session alone, and the others keep theirs. So a session with a
poisonous chunk is given up after a bounded number of tries, and nobody goes down with it.

A turn lasts until the stream commits (half a second of audio) or waits for audio. A stream that has
committed, and then has nothing left to read, is past what its workers died of: that ends the trial.
"""

from __future__ import annotations

from threading import Lock
from typing import Final

from asr_tasks import log
from asr_tasks.contracts.audio import SAMPLE_RATE
from asr_tasks.contracts.errors import StaleLease
from asr_tasks.contracts.lease import ON_TRIAL, Lease
from asr_tasks.state.sessions import Sessions, StoreDown

WAIT_SECONDS: Final = 5.0
"""Longest wait for a turn; a recogniser that hangs must not stop all of them. Without one a stream
works unnoted until its next commit, and then asks for one again."""

PROVED_SECONDS: Final = 30.0
"""Audio after which a stream that never catches up (an upload) has proved itself: a worker holds at
most 26 s unacknowledged."""

_log = log.get("asr.stream")
_at_work = Lock()


class Trial:
    """Of one stream; used by its thread only.

    Args:
        sessions: where it is noted.
        lease: of the stream.
        tries: of the session since its last commit, this one included.
        position: where it begins, samples.
    """

    def __init__(self, sessions: Sessions, lease: Lease, tries: int, position: int) -> None:
        self._sessions = sessions
        self._lease = lease
        self.on = tries >= ON_TRIAL
        self._start = position
        self._alone = False
        self._noted = False
        self._committed = False
        self._waited = False

    def work(self) -> None:
        """Before anything is done with the session's audio: take a turn.

        Raises:
            StaleLease: another worker owns the session.
        """
        if not self.on or self._alone or self._waited:
            return
        self._alone = _at_work.acquire(timeout=WAIT_SECONDS)
        if self._alone:
            # Noted only then: whoever has no turn is not to blame for what happens meanwhile.
            self._note(True)
        else:
            self._waited = True
            _log.warning("another stream on trial takes long", session=self._lease.session)

    def pause(self) -> None:
        """Nothing is done with the audio for a while: the turn is over.

        Raises:
            StaleLease: another worker owns the session.
        """
        if self.on:
            self._waited = False
            self._note(False)
            self.leave()

    def rest(self) -> None:
        """Before waiting for audio: all there is was read.

        Raises:
            StaleLease: another worker owns the session.
        """
        self.pause()
        self.on = self.on and not self._committed

    def committed(self, position: int) -> None:
        """What was read up to there killed nobody."""
        self._committed = True
        # More than any worker before can have held: it is past what they died of.
        self.on = self.on and position - self._start < PROVED_SECONDS * SAMPLE_RATE

    def quit(self) -> None:
        """The stream goes of its own will: whatever happens to the process, it is not to blame."""
        try:
            self.pause()
        except StaleLease:
            self.leave()  # it is another's already, and so is the note

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
