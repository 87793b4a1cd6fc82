"""What the scripts answer, as types."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Offer:
    """A session was just assigned; whoever gets this has to send its task to the worker.

    Attributes:
        session, worker, epoch: the assignment.
        model: the catalogue's name of the model.
        task: the Celery task's name; empty: the default one.
        language, client: as the gateway was told; may be empty.
        options: further keyword arguments of the task.
        traceparent: W3C trace context of the session; may be empty.
    """

    session: str
    worker: str
    epoch: int
    model: str
    task: str = ""
    language: str = ""
    client: str = ""
    options: Mapping[str, Any] | None = None
    traceparent: str = ""

    @classmethod
    def parse(cls, fields: Sequence[str]) -> Offer:
        """From the fields in the order of ``assign`` in assign.lua."""
        session, worker, epoch, model, task, language, client, options, traceparent = fields
        return cls(
            session,
            worker,
            int(epoch),
            model,
            task,
            language,
            client,
            json.loads(options) if options else None,
            traceparent,
        )


@dataclass(frozen=True, slots=True)
class Held:
    """The session has a worker already; nothing is to be sent."""

    worker: str
    epoch: int


@dataclass(frozen=True, slots=True)
class Waiting:
    """The session is in the queue; ``place`` counts from 1."""

    place: int


@dataclass(frozen=True, slots=True)
class GivenUp:
    """The session failed after as many tries as it may have."""


Lost = tuple[str, int]
"""A session and the epoch that it lost its worker in."""


@dataclass(frozen=True, slots=True)
class Cancellation:
    """A stream body that is to stop; ``reason`` is ``cancelled`` or ``stale``."""

    session: str
    epoch: int
    reason: str


@dataclass(frozen=True, slots=True)
class Reconciled:
    """What follows from a worker's report.

    Attributes:
        model: the worker's.
        drain: the worker is to hand over what it has.
        serve: a session of the model waits and a slot is free.
        cancel: bodies that are to stop.
        lost: sessions whose body left without ending them.
    """

    model: str
    drain: bool
    serve: bool
    cancel: tuple[Cancellation, ...]
    lost: tuple[Lost, ...]


@dataclass(frozen=True, slots=True)
class Surveyed:
    """A session that the monitor has to look at.

    Attributes:
        claimed: a worker has read its audio before.
        placed: it is where it says it is: in its worker's set, or in the queue.
    """

    session: str
    state: str
    epoch: int
    model: str
    claimed: bool
    placed: bool


def pairs(flat: Sequence[str]) -> tuple[Lost, ...]:
    """``[id, epoch, id, epoch, …]`` as pairs."""
    return tuple((flat[i], int(flat[i + 1])) for i in range(0, len(flat), 2))
