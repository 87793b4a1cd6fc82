"""The right of one worker to one session, fenced by its epoch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

ON_TRIAL: Final = 3
"""Tries since the last commit, the present one included, from which on a session is on trial (see
:mod:`asr_tasks.streaming.trial`). Not from the second: hearing sessions one at a time takes longer,
and a single machine that dies is no reason for that."""


@dataclass(frozen=True, slots=True)
class Lease:
    """An assignment.

    Attributes:
        session: the session's id (a UUID in its canonical text form).
        worker: the worker's name, as in ``asr@NAME``.
        epoch: raised by one with each assignment of this session; whoever presents a lower
            one than Redis holds may change nothing.
    """

    session: str
    worker: str
    epoch: int


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """From where a successor goes on.

    Attributes:
        position: everything before this sample is committed; 16 kHz samples.
        state: the recogniser's snapshot at exactly that sample; empty if it has none (then it
            starts fresh there).
    """

    position: int = 0
    state: bytes = b""
