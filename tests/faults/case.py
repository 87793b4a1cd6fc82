"""One kind of fault: what it does to whom, and what must hold."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from tests.faults.caller import Caller
from tests.faults.world import MODEL, World


@dataclass(slots=True)
class Strike:
    """One fault in one round.

    Attributes:
        callers: everybody on the line.
        rng: the round's own.
        fault: monotonic seconds at which it struck.
        hit: the callers who could feel it; None: all.
        back: monotonic seconds at which what had failed was there again; None: not counted.
        failing: callers whose session is meant to fail, with the code.
        notes: what the case found wrong, beyond what the callers heard.
    """

    world: World
    callers: list[Caller]
    rng: random.Random
    fault: float = 0.0
    hit: list[Caller] | None = None
    back: float | None = None
    failing: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def now(self, hit: list[Caller] | None = None) -> None:
        """It has just struck."""
        self.fault = time.monotonic()
        self.hit = hit

    def returned(self) -> None:
        """What had failed is there again."""
        self.back = time.monotonic()

    async def pause(self, least: float, most: float) -> None:
        """A random while, which is part of the fault."""
        await asyncio.sleep(self.rng.uniform(least, most))

    def served_by(self, worker: str) -> list[Caller]:
        """The callers whose sessions the worker has."""
        return [c for c in self.callers if self.world.owner(c.heard.session) == worker]

    def busiest(self) -> str:
        """The worker that has most of the sessions."""
        owners = [self.world.owner(c.heard.session) for c in self.callers]
        return max(set(filter(None, owners)), key=owners.count)

    def connected_to(self, gateway: str) -> list[Caller]:
        """The callers at a gateway."""
        return [c for c in self.callers if self.world.gateway_of(c.heard.session) == gateway]


@dataclass(frozen=True, slots=True)
class Case:
    """A row of the matrix.

    Attributes:
        name: what is struck, and how.
        strike: does it; returns when the fault is over, or has been made.
        median, longest: targets for the gap of those who were hit, seconds; None: not promised.
        resumes: target: seconds by which results due after the return may be late.
        model: what the callers ask for.
        poison: put poison into one caller's speech.
        seconds: of speech in each call; enough that some is due after what had failed is back.
        alone: played with no other world beside it, which would be seen in its gaps.
        deadly: workers die and are started again, which takes a processor; two such cases are not
            played beside each other if that can be helped.
        everyone: begins only when the spare workers are ready, too.
        needs: says why it cannot be played in a world; empty if it can.
    """

    name: str
    strike: Callable[[Strike], Awaitable[None]]
    median: float | None = None
    longest: float | None = None
    resumes: float | None = None
    model: str = MODEL
    poison: bool = False
    seconds: float = 8.0
    alone: bool = False
    deadly: bool = False
    everyone: bool = False
    needs: Callable[[World], str] = lambda _: ""


CASES: dict[str, Case] = {}


def case(
    name: str, **facts: float | str | bool | Callable[[World], str]
) -> Callable[[Callable[[Strike], Awaitable[None]]], Case]:
    """Register a strike as a row of the matrix."""

    def register(strike: Callable[[Strike], Awaitable[None]]) -> Case:
        made = Case(name, strike, **facts)  # type: ignore[arg-type]
        CASES[name] = made
        return made

    return register
