"""The two state machines: a session's and a worker's. Who may move what, in one table.

The Lua scripts make the moves; these tables are what they are checked against, and what
ARCHITECTURE.md draws.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Generic, TypeVar


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


State = TypeVar("State", bound=StrEnum)


@dataclass(frozen=True, slots=True)
class Move(Generic[State]):
    """One transition.

    Attributes:
        old, new: from, to.
        script: the Lua scripts that make it, each atomic.
        when: who calls them, and why.
    """

    old: State
    new: State
    script: str
    when: str


_S, _W = SessionState, WorkerState

SESSION_TRANSITIONS: Final[tuple[Move[SessionState], ...]] = (
    Move(_S.WAITING, _S.ASSIGNED, "allocate, serve_waiting", "allocator, monitor: a slot is free"),
    Move(_S.WAITING, _S.WAITING, "allocate", "gateway asks again: it keeps its place"),
    Move(_S.WAITING, _S.STREAMING, "heartbeat", "Redis had lost the assignment; its worker has it"),
    Move(_S.WAITING, _S.FAILED, "cancel", "client, operator, or nobody was free in time"),
    Move(_S.ASSIGNED, _S.STREAMING, "claim", "worker: the task begins"),
    Move(_S.ASSIGNED, _S.ASSIGNED, "fail_over", "monitor: nobody claimed it; to another worker"),
    Move(_S.ASSIGNED, _S.WAITING, "fail_over", "the same, and no slot is free"),
    Move(_S.ASSIGNED, _S.FAILED, "cancel", "client or operator"),
    Move(_S.STREAMING, _S.FINISHING, "commit", "worker: the audio is read to its end"),
    Move(_S.STREAMING, _S.DONE, "finish", "worker: nothing was left to commit"),
    Move(_S.STREAMING, _S.ASSIGNED, "fail_over", "its worker is gone or hands it over"),
    Move(_S.STREAMING, _S.WAITING, "fail_over", "the same, and no slot is free"),
    Move(_S.STREAMING, _S.FAILED, "finish, cancel, fail_over", "error, cancelled, or given up"),
    Move(_S.FINISHING, _S.DONE, "finish", "worker: every final is committed"),
    Move(_S.FINISHING, _S.ASSIGNED, "fail_over", "its worker is gone"),
    Move(_S.FINISHING, _S.WAITING, "fail_over", "the same, and no slot is free"),
    Move(_S.FINISHING, _S.FAILED, "finish, cancel, fail_over", "error, cancelled, or given up"),
)

WORKER_TRANSITIONS: Final[tuple[Move[WorkerState], ...]] = (
    Move(_W.STARTING, _W.IDLE, "heartbeat", "worker: its model is loaded"),
    Move(_W.STARTING, _W.DRAINING, "drain, heartbeat", "operator, or SIGTERM to the worker"),
    Move(_W.STARTING, _W.GONE, "declare_gone", "monitor, or its own goodbye"),
    Move(_W.IDLE, _W.BUSY, "allocate, serve_waiting, fail_over", "it got its first session"),
    Move(_W.IDLE, _W.DRAINING, "drain, heartbeat", "operator, or SIGTERM to the worker"),
    Move(_W.IDLE, _W.GONE, "declare_gone", "monitor, or its own goodbye"),
    Move(_W.BUSY, _W.IDLE, "heartbeat, fail_over", "its last session left"),
    Move(_W.BUSY, _W.DRAINING, "drain, heartbeat", "operator, or SIGTERM to the worker"),
    Move(_W.BUSY, _W.GONE, "declare_gone", "monitor: dead or hung"),
    Move(_W.DRAINING, _W.GONE, "declare_gone", "its own goodbye, or the monitor"),
    Move(_W.GONE, _W.STARTING, "register", "it comes back, or a new boot of its name"),
)


def moves(
    states: type[State], transitions: Iterable[Move[State]]
) -> Mapping[State, frozenset[State]]:
    """Where each state may go."""
    listed = list(transitions)
    return {state: frozenset(move.new for move in listed if move.old is state) for state in states}


SESSION_MOVES: Final = moves(SessionState, SESSION_TRANSITIONS)
WORKER_MOVES: Final = moves(WorkerState, WORKER_TRANSITIONS)
