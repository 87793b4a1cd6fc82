"""The client's side of a session: one enum, one table of moves."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class ClientState(StrEnum):
    """What the client of a session is doing."""

    SENDING = "sending"
    """Connected; more audio may come."""
    ENDED = "ended"
    """Connected; it said that no more audio comes, or may not send any more."""
    AWAY = "away"
    """Its connection is gone; it may come back within its resume window."""
    ALONE = "alone"
    """It is gone for good; the session is carried to its end so that its result is stored."""
    CLOSED = "closed"
    """This gateway has nothing more to do with the session."""


MOVES: Final[Mapping[ClientState, frozenset[ClientState]]] = {
    ClientState.SENDING: frozenset({ClientState.ENDED, ClientState.AWAY, ClientState.CLOSED}),
    ClientState.ENDED: frozenset({ClientState.ALONE, ClientState.CLOSED}),
    ClientState.AWAY: frozenset({ClientState.ALONE, ClientState.CLOSED}),
    ClientState.ALONE: frozenset({ClientState.CLOSED}),
    ClientState.CLOSED: frozenset(),
}


class IllegalMove(Exception):
    """A move that is not in the table: a bug of ours."""


def move(old: ClientState, new: ClientState) -> ClientState:
    """The new state.

    Raises:
        IllegalMove: names both states.
    """
    if new not in MOVES[old]:
        raise IllegalMove(f"a client cannot go from {old} to {new}")
    return new
