"""One round: people talk, something is struck at a random moment, everybody is listened to."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from asr_cli import audio
from tests.faults.caller import Caller, Clip, Heard
from tests.faults.case import Case, Strike
from tests.faults.oracle import Cost, gap, judge
from tests.faults.poison import POISON
from tests.faults.world import QUIET_SECONDS, World
from tests.support.calls import recordings
from tests.support.eventually import eventually, eventually_async

EARLIEST, LATEST = 0.15, 0.65
"""Between these parts of the call the fault strikes."""
LONGEST = 150.0
"""Seconds after which a round that is not over has failed."""
SPREAD = 1.0
"""Seconds over which the callers begin."""


@dataclass(slots=True)
class Outcome:
    """Of one round.

    Attributes:
        costs: of every caller but those meant to fail.
        gaps: seconds, of those who were hit.
        resumed: seconds by which results due after the return of what had failed came late.
        wrong: everything else that should not be.
        not_played: why it was not played; empty if it was.
    """

    costs: list[Cost] = field(default_factory=list)
    gaps: list[float] = field(default_factory=list)
    resumed: list[float] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    not_played: str = ""


def clips(number: int, seconds: float) -> list[Clip]:
    """Different pieces of the recordings; each begins with its recording."""
    length = int(seconds * 10) * audio.PIECE
    every = recordings()
    made = []
    for index in range(number):
        pcm = b"".join(every[(index + shift) % len(every)] for shift in range(8))
        made.append(Clip(f"caller-{index}", pcm[:length]))
    return made


def poisoned(clip: Clip, rng: random.Random) -> Clip:
    """The clip with a moment of poison where nobody expects it."""
    at = rng.randrange(int(EARLIEST * clip.seconds * 10), int(LATEST * clip.seconds * 10))
    start = at * audio.PIECE
    return Clip(clip.name, clip.pcm[:start] + POISON + clip.pcm[start + len(POISON) :])


async def undisturbed(
    world: World, said: Sequence[Clip], model: str, *, timed: bool
) -> list[Heard]:
    """What these calls are when nothing happens: of several runs, each result at its earliest, so
    that a hiccup of the machine in one of them does not excuse a fault. Not ``timed``: the words
    alone, as fast as they come.

    Raises:
        RuntimeError: a call failed, or two runs gave different words.
    """
    best: list[Heard] = []
    for _ in range(2 if timed else 1):
        speed = 1.0 if timed else 0.0
        callers = [Caller(clip, world.urls, model=model, speed=speed) for clip in said]
        await _talk(callers)
        for index, heard in enumerate(caller.heard for caller in callers):
            if heard.error is not None or heard.done is None:
                raise RuntimeError(f"an undisturbed call failed: {heard.error!r}")
            if len(best) <= index:
                best.append(heard)
            elif heard.words != best[index].words:
                raise RuntimeError(f"two undisturbed runs of {heard.clip.name} differ")
            else:
                best[index].sooner(heard)
    return best


async def play(
    world: World, case: Case, said: Sequence[Clip], healthy: Sequence[Heard], rng: random.Random
) -> Outcome:
    """One round of a case; what it broke is left as it is."""
    spoken = [poisoned(said[0], rng), *said[1:]] if case.poison else list(said)
    callers = [Caller(clip, world.urls, model=case.model) for clip in spoken]
    strike = Strike(world, callers, rng)
    outcome = Outcome()
    moment = rng.uniform(EARLIEST, LATEST) * spoken[0].seconds
    try:
        async with asyncio.timeout(LONGEST), asyncio.TaskGroup() as group:
            group.create_task(_talk(callers))
            await eventually_async(lambda: all(c.heard.began for c in callers), within=30)
            await asyncio.sleep(moment)
            await case.strike(strike)
    except TimeoutError:
        outcome.wrong.append(f"not over after {LONGEST:.0f} s")
    outcome.wrong += strike.notes
    for caller, same in zip(callers, healthy, strict=True):
        _listen(outcome, strike, caller, same)
    sessions = [caller.heard.session for caller in callers]
    try:
        eventually(lambda: not world.left_behind(sessions), within=QUIET_SECONDS, every=0.1)
    except AssertionError:
        outcome.wrong.append(f"left behind: {world.left_behind(sessions)}")
    return outcome


def _listen(outcome: Outcome, strike: Strike, caller: Caller, same: Heard) -> None:
    heard = caller.heard
    if (code := strike.failing.get(heard.clip.name)) is not None:
        if heard.error is None or heard.error.code != code:
            outcome.wrong.append(f"{heard.clip.name} should fail as {code}: {heard.error!r}")
        return
    hit = strike.fault if strike.hit is None or caller in strike.hit else None
    cost = judge(same, heard, None if hit is None else hit - heard.began)
    outcome.costs.append(cost)
    if cost.gap is not None:
        outcome.gaps.append(cost.gap)
    if strike.back is not None:
        # What was due before the return is late by the outage; what is due after it, by the rest.
        late = gap(same, heard, strike.back - heard.began)
        outcome.resumed += [] if late is None else [late]


async def _talk(callers: Sequence[Caller]) -> None:
    async with asyncio.TaskGroup() as group:
        for caller in callers:
            group.create_task(caller.call())
            await asyncio.sleep(SPREAD / len(callers))
