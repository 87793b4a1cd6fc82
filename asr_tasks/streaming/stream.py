"""What a stream task holds in its hands: audio in, results out, and the point of no return."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from asr_tasks import log
from asr_tasks.contracts.audio import SAMPLE_RATE, Chunk, seconds
from asr_tasks.contracts.errors import Cancelled, RecogniserFailed, StaleLease, Unavailable
from asr_tasks.contracts.lease import Checkpoint, Lease
from asr_tasks.contracts.results import Kind, Message, Result
from asr_tasks.state.sessions import Claim, Sessions, StoreDown
from asr_tasks.streaming.commit import Committer
from asr_tasks.streaming.limits import Limits
from asr_tasks.streaming.order import Reorderer, joined
from asr_tasks.streaming.running import StopReason, StopSignal
from asr_tasks.streaming.trial import Trial
from asr_tasks.transport.base import Delivery, SessionQueues

_log = log.get("asr.stream")

RECEIVE_TIMEOUT = 0.25
"""Seconds of waiting for audio between two looks at the stop signal and the limits."""


TRIAL_CHECKPOINT = 0.5
"""Seconds of audio between the commits of a stream on trial."""


class HandOver(Exception):
    """Raised inside a task's body to end it where a successor goes on; never caught there."""


class Stream:
    """One session's audio and results, for the task that owns it. One thread uses it.

    Iterating gives :class:`~asr_tasks.contracts.audio.Chunk` objects in order, each sample
    once, from ``checkpoint.position`` on, and stops at the end of the stream.

    Attributes:
        session: the session's id.
        checkpoint: where to begin; its ``state`` is what the predecessor committed, if any.
        ended: why the audio ended: ``eos``, ``idle`` or ``limit``; empty while it goes on.
    """

    def __init__(
        self,
        lease: Lease,
        claim: Claim,
        queues: SessionQueues,
        sessions: Sessions,
        stop: StopSignal,
        limits: Limits,
    ) -> None:
        self.session = lease.session
        self.checkpoint = claim.checkpoint
        self.ended = ""
        self._lease = lease
        self._queues = queues
        self._sessions = sessions
        self._stop = stop
        self._limits = limits
        self._order = Reorderer(claim.checkpoint.position)
        self._finals: list[Result] = []
        self._partial: Message | None = None
        self._yielded = claim.checkpoint.position
        self._state_bytes = len(claim.checkpoint.state)
        self._committer = Committer(sessions, lease, claim, self._publish, self._settle)
        self._trial = Trial(sessions, lease, claim.tries, claim.checkpoint.position)
        self._committer.on_trial = self._trial.on
        self._republish(claim)
        self._started = self._heard = self._checked = time.monotonic()
        self._gap_since: float | None = None
        self._drain_since: float | None = None

    @property
    def position(self) -> int:
        """Just after the last sample that was handed out; 16 kHz samples."""
        return self._yielded

    @property
    def should_stop(self) -> bool:
        """Whether a stop was asked for; a body with long work of its own looks now and then."""
        return self._stop.event.is_set()

    @property
    def checkpoint_due(self) -> bool:
        """Whether it is time to commit a checkpoint although no final is due."""
        usual = self._limits.checkpoint_seconds(self._state_bytes)
        waiting = (TRIAL_CHECKPOINT if self._trial.on else usual) * SAMPLE_RATE
        return self._yielded - self._committer.position >= waiting

    def begin(self) -> None:
        """The body begins; the framework's, not the body's."""
        self._trial.work()

    def quit(self) -> None:
        """The body leaves the session to a successor; the framework's, not the body's."""
        self._trial.quit()

    def leave(self) -> None:
        """The body has ended, one way or another; the framework's, not the body's."""
        self._trial.leave()

    def __iter__(self) -> Iterator[Chunk]:
        return self._chunks(0)

    def joined(self, enough: float) -> Iterator[Chunk]:
        """As iterating, but audio that waits already comes in one piece of ``enough`` seconds.

        For a body to which it does not matter how the audio is cut. A stream that lives on what is
        being said gets the same chunks; one that has to catch up does so sooner.
        """
        return self._chunks(round(enough * SAMPLE_RATE))

    def _chunks(self, enough: int) -> Iterator[Chunk]:
        while not self.ended:
            # On trial each chunk is heard by itself: it may be the one that kills.
            joins = enough > 0 and not self._trial.on
            if joins:
                self._take_all(enough)
            ready = self._order.ready()
            for chunk in joined(ready, enough) if joins else ready:
                if chunk.eos:
                    self.ended = "eos"
                    return
                self._yielded = chunk.end
                self._trial.work()
                yield chunk
                self._obey()
            self._obey()
            self._wait()

    def emit(self, result: Result) -> None:
        """Say something about the audio.

        A partial goes out at once (after a final: just after it), and may be lost; a final goes
        out with the next :meth:`commit`, and then cannot be.
        """
        if result.final:
            self._finals.append(result)
            return
        index = self._committer.segments + self._committer.pending + len(self._finals)
        message = Message(Kind.PARTIAL, self._lease.epoch, result=result, index=index)
        if self._finals:
            # The gateway can place a partial only after the final that it follows.
            self._partial = message
        else:
            self._queues.publish(message, confirm=False)

    def commit(self, checkpoint: Checkpoint | None = None) -> None:
        """Make the finals emitted so far, and the position, permanent.

        Args:
            checkpoint: from where a successor should go on, and the state it needs; without
                one, all audio handed out counts as dealt with and no state is kept.

        Returns at once when Redis does not answer: the commit is then repeated until it is
        in, and the audio stays unacknowledged until then.

        Raises:
            StaleLease: another worker owns the session; the body should let it pass.
        """
        made = checkpoint or Checkpoint(self._yielded)
        self._state_bytes = len(made.state)
        self._committer.add(self._finals, made)
        self._finals = []
        self._trial.pause()
        flushed = self._committer.flush()
        if flushed:
            self._trial.committed(made.position)
            self._committer.on_trial = self._trial.on
        if self._partial is not None:
            self._queues.publish(self._partial, confirm=False)
            self._partial = None
        if flushed and self._drain_since is not None:
            raise HandOver

    def drain_out(self) -> None:
        """Commit what is left when the body has returned; waits for Redis within the limit.

        Raises:
            StaleLease: another worker owns the session.
            StoreDown: Redis did not come back in time.
        """
        self._trial.pause()
        self._committer.on_trial = False  # all of it was read, and nobody died
        self._committer.add(self._finals, Checkpoint(self._yielded))
        self._finals = []
        deadline = time.monotonic() + self._limits.store
        while not self._committer.flush(ended=True):
            if time.monotonic() > deadline:
                raise StoreDown("the last commit could not be written in time")
            self._stop.event.wait(RECEIVE_TIMEOUT)

    @property
    def commits(self) -> int:
        """Serial of the last commit; the framework's, not the body's."""
        return self._committer.commits

    def restore(self) -> bool:
        """Put back what the store has lost of it; the framework's, not the body's.

        Returns:
            Whether it is there; False when Redis did not answer.

        Raises:
            StaleLease: another worker owns the session.
        """
        return self._committer.restore()

    def settle_all(self) -> None:
        """Acknowledge everything held, the end of stream too; only once the session has ended."""
        self._queues.ack(self._order.everything())

    def _republish(self, claim: Claim) -> None:
        # The predecessor may have died between its commit and the publication.
        if claim.recent:
            last = claim.recent[-1]
            result = replace(last.result, final=True)
            self._publish(Message(Kind.FINAL, self._lease.epoch, result=result, index=last.index))

    def _publish(self, message: Message) -> None:
        # Redis has the final already; the gateway finds it there if the broker stays away.
        try:
            self._queues.publish(message, confirm=True)
        except Unavailable as away:
            _log.warning("final not published", session=self.session, error=str(away))

    def _settle(self, position: int) -> None:
        self._queues.ack(self._order.settled(position))

    def _wait(self) -> None:
        """Take in what has arrived, or wait a little for it."""
        now = time.monotonic()
        delivery = self._queues.receive(timeout=0) if self._trial.on else None
        if delivery is None:
            self._trial.rest()
            self._committer.on_trial = self._trial.on
            delivery = self._queues.receive(timeout=RECEIVE_TIMEOUT)
        if delivery is not None or not self._queues.connected:
            # A broker that is away says nothing about the gateway.
            self._heard = time.monotonic()
        if delivery is not None:
            self._take(delivery)
        elif now - self._heard > self._limits.idle:
            self.ended = "idle"
        if now - self._started > self._limits.total:
            self.ended = "limit"
        self._watch_gap(now)
        if now - self._checked > self._limits.lease_check:
            self._checked = now
            self._check_lease()

    def _take(self, delivery: Delivery) -> None:
        self._order.push(delivery)
        if not delivery.chunk.samples and not delivery.chunk.eos:
            self._settle(self._committer.position)

    def _take_all(self, enough: int) -> None:
        """Take in what has arrived, until ``enough`` samples are here."""
        while self._order.waiting < enough and (delivery := self._queues.receive(timeout=0)):
            self._heard = time.monotonic()
            self._take(delivery)

    def _watch_gap(self, now: float) -> None:
        if not self._order.gap:
            self._gap_since = None
        elif self._gap_since is None:
            self._gap_since = now
        elif now - self._gap_since > self._limits.gap:
            raise RecogniserFailed(
                f"audio at {seconds(self._order.position):.2f} s is missing from the queue"
            )

    def _check_lease(self) -> None:
        try:
            if self._committer.pending:
                self._committer.flush()
            else:
                self._sessions.check(self._lease)
        except StoreDown:
            return  # ownership is checked again at the latest by the next commit

    def _obey(self) -> None:
        if not self._stop.event.is_set():
            return
        match self._stop.reason:
            case StopReason.CANCELLED:
                raise Cancelled
            case StopReason.DRAIN:
                now = time.monotonic()
                self._drain_since = self._drain_since or now
                if now - self._drain_since > self._limits.handover:
                    raise HandOver
            case _:
                raise StaleLease


def samples(chunk: Chunk) -> NDArray[np.float32]:
    """A chunk's audio as float32[T] in [-1, 1)."""
    return np.frombuffer(chunk.pcm, dtype="<i2").astype(np.float32) / 32768.0
