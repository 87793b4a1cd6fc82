"""From an assignment to an ended session: everything around a stream task's body."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from asr_tasks import log
from asr_tasks.contracts.audio import seconds
from asr_tasks.contracts.errors import (
    AsrError,
    Cancelled,
    RecogniserFailed,
    StaleLease,
    Unavailable,
)
from asr_tasks.contracts.lease import Lease
from asr_tasks.contracts.results import Kind, Message
from asr_tasks.state.sessions import Behind, Ending, Sessions, StoreDown
from asr_tasks.streaming import running
from asr_tasks.streaming.limits import Limits
from asr_tasks.streaming.stream import HandOver, Stream
from asr_tasks.transport.base import QueueGone, SessionQueues, Transport

_log = log.get("asr.stream")

Body = Callable[..., Any]
"""A stream task's function: ``body(stream, **parameters)``."""


@dataclass(frozen=True, slots=True)
class Environment:
    """What streams of this process run on; installed once, at the worker's start."""

    transport: Transport
    sessions: Sessions
    limits: Limits = field(default_factory=Limits)


class NotOurs(Exception):
    """The stream ended here without ending the session: another worker has it or will get it."""


def drive(
    environment: Environment,
    lease: Lease,
    body: Body,
    parameters: dict[str, Any],
    *,
    streaming: Callable[[], None] = lambda: None,
) -> str:
    """Run one stream task to its end.

    Args:
        environment: transport, store and limits.
        lease: the assignment.
        body: the task's function.
        parameters: its keyword arguments.
        streaming: called once the session is claimed.

    Returns:
        The transcript, one final a line.

    Raises:
        NotOurs: stale, or handed over; nothing was changed that is not the owner's to change.
        AsrError: the session ended with this error (it is recorded).
        Exception: what the body raised; the session is left for another try.
    """
    stop = running.enter(lease.session, lease.epoch)
    if stop is None:
        raise NotOurs("this assignment runs here already")
    try:
        claim = environment.sessions.claim(lease, reports=running.reports())
        queues = environment.transport.open(lease.session)
        try:
            queues.publish(Message(Kind.WORKING, lease.epoch, worker=lease.worker), confirm=False)
            streaming()
            stream = Stream(lease, claim, queues, environment.sessions, stop, environment.limits)
            transcript = _run(environment, lease, queues, stream, body, parameters)
        finally:
            # What was not acknowledged goes back to the queue, for a successor if there is one.
            queues.close()
        if stream.ended == "idle":
            _clear_away(environment, lease.session)
        return transcript
    except StaleLease as stale:
        raise NotOurs(str(stale)) from stale
    except QueueGone as gone:
        # Whoever ends a session from outside deletes its queues; we may hear of that first.
        _raise_if_stale(environment, lease)
        raise gone
    finally:
        running.leave(lease.session, lease.epoch)


def _run(
    environment: Environment,
    lease: Lease,
    queues: SessionQueues,
    stream: Stream,
    body: Body,
    parameters: dict[str, Any],
) -> str:
    try:
        stream.begin()
        body(stream, **parameters)
        stream.drain_out()
    except HandOver as over:
        stream.quit()
        raise NotOurs("handed over") from over
    except StaleLease:
        stream.quit()
        raise
    except (RecogniserFailed, Unavailable):
        raise  # another worker may do better, bounded by its attempts
    except AsrError as error:
        _end(environment, lease, queues, stream, error)
        raise
    finally:
        stream.leave()
    transcript = _transcript(environment, lease)
    _end(environment, lease, queues, stream, None)
    return transcript


def _end(
    environment: Environment,
    lease: Lease,
    queues: SessionQueues,
    stream: Stream,
    error: AsrError | None,
) -> None:
    """Record the end, say it, and let go of the audio: in this order, for the reasons of commit."""
    duration = seconds(stream.position)
    ending = (
        Ending("done", duration, stream.ended or "eos")
        if error is None
        else Ending("failed", duration, stream.ended, error.code, str(error))
    )
    segments = _finish(environment, lease, stream, ending)
    # crash here: the gateway's look at Redis finds the result and ends the client's session.
    message = (
        Message(Kind.END, lease.epoch, segments=segments, duration=duration, reason=ending.reason)
        if error is None
        else Message(Kind.FAILED, lease.epoch, code=error.code, message=str(error))
    )
    try:
        queues.publish(message, confirm=True)
    except AsrError as lost:
        _log.warning("end not published", session=lease.session, error=str(lost))
    stream.settle_all()
    level = _log.info if error is None or isinstance(error, Cancelled) else _log.warning
    level(
        "session ended",
        session=lease.session,
        state=ending.state,
        code=ending.code,
        segments=segments,
        seconds=round(duration, 2),
    )


def _transcript(environment: Environment, lease: Lease) -> str:
    """What was committed, trying again while Redis is away.

    Raises:
        StoreDown: it did not come back.
    """
    deadline = time.monotonic() + environment.limits.store
    while True:
        try:
            return environment.sessions.transcript(lease.session)
        except StoreDown:
            if time.monotonic() > deadline:
                raise
            time.sleep(random.uniform(0.1, 0.4))


def _clear_away(environment: Environment, session: str) -> None:
    """Delete the queues of a session that ended because its gateway fell silent.

    They are the gateway's to delete; left alone they would stay until they expire.
    """
    try:
        environment.transport.delete(session)
    except AsrError as error:
        _log.warning("queues are left to expire", session=session, error=str(error))


def _raise_if_stale(environment: Environment, lease: Lease) -> None:
    """Raises:
    NotOurs: the session has ended or is another worker's.
    """
    try:
        environment.sessions.check(lease)
    except StaleLease as stale:
        raise NotOurs("ended from outside") from stale
    except StoreDown as down:
        _log.warning("ownership unknown", session=lease.session, error=str(down))


def _finish(environment: Environment, lease: Lease, stream: Stream, ending: Ending) -> int:
    """Write the end, trying again while Redis is away.

    Raises:
        StaleLease: another worker owns the session.
        StoreDown: Redis did not come back; the session goes to a successor, which finds all
            audio committed and only has to end it.
    """
    deadline = time.monotonic() + environment.limits.store
    unknown = False
    while True:
        try:
            return environment.sessions.finish(lease, ending, commits=stream.commits)
        except Behind:
            stream.restore()
        except StaleLease:
            if not unknown:
                raise
            return 0  # an earlier try of ours got through after all: the session is gone
        except StoreDown:
            unknown = True
            if time.monotonic() > deadline:
                raise
            time.sleep(random.uniform(0.1, 0.4))


__all__ = ["Body", "Environment", "NotOurs", "drive"]
