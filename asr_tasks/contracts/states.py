"""The two state machines: a session's and a worker's. Who may move what, in one table.

The Lua scripts make the moves; these tables are what they are checked against, and what
ARCHITECTURE.md draws.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class SessionState(StrEnum):
    """Where a session is."""

    WAITING = "waiting"
    """It exists and its audio is kept; no worker has a slot for it yet."""
    ASSIGNED = "assigned"
    """A worker was chosen and the task sent to it; the worker has not claimed it yet."""
    STREAMING = "streaming"
    """The worker's task claimed it and reads its audio."""
    FINISHING = "finishing"
    """The end of the audio was read; the last results are being committed."""
    DONE = "done"
    """Every final is committed; only the result is left, for a while."""
    FAILED = "failed"
    """It ended with an error code; what was committed until then is kept."""


class WorkerState(StrEnum):
    """Where a worker is."""

    STARTING = "starting"
    """Registered; its model is not loaded yet."""
    IDLE = "idle"
    """Ready, no session."""
    BUSY = "busy"
    """Ready, at least one session."""
    DRAINING = "draining"
    """Takes no new session; hands over the ones it has."""
    GONE = "gone"
    """Left, died or was declared dead; its sessions belong to others."""


SESSION_MOVES: Final[Mapping[SessionState, frozenset[SessionState]]] = {
    SessionState.WAITING: frozenset(
        {SessionState.ASSIGNED, SessionState.FAILED, SessionState.WAITING}
    ),
    SessionState.ASSIGNED: frozenset(
        {
            SessionState.STREAMING,
            SessionState.ASSIGNED,
            SessionState.WAITING,
            SessionState.FAILED,
        }
    ),
    SessionState.STREAMING: frozenset(
        {
            SessionState.FINISHING,
            SessionState.DONE,
            SessionState.ASSIGNED,
            SessionState.WAITING,
            SessionState.FAILED,
        }
    ),
    SessionState.FINISHING: frozenset(
        {
            SessionState.DONE,
            SessionState.ASSIGNED,
            SessionState.WAITING,
            SessionState.FAILED,
        }
    ),
    SessionState.DONE: frozenset(),
    SessionState.FAILED: frozenset(),
}

WORKER_MOVES: Final[Mapping[WorkerState, frozenset[WorkerState]]] = {
    WorkerState.STARTING: frozenset({WorkerState.IDLE, WorkerState.DRAINING, WorkerState.GONE}),
    WorkerState.IDLE: frozenset({WorkerState.BUSY, WorkerState.DRAINING, WorkerState.GONE}),
    WorkerState.BUSY: frozenset({WorkerState.IDLE, WorkerState.DRAINING, WorkerState.GONE}),
    WorkerState.DRAINING: frozenset({WorkerState.GONE}),
    WorkerState.GONE: frozenset({WorkerState.STARTING}),
}
