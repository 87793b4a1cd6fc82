"""How to get from the workers there are to the workers wanted without touching a call.

A StatefulSet removes its highest ordinals, whatever they do. So the top is cordoned first, and the
workload is shrunk only above the highest worker that carries a session or could still be given one.
After a cordon, look again and ask for another step at once: what was idle can leave at that look.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from allocator.scaling.observation import Observation, WorkerSeen


@dataclass(frozen=True, slots=True)
class Step:
    """What to do after one look, in this order: uncordon, cordon, hand over, tell the workload.

    Attributes:
        replicas: what the workload may be told now. Above what is wanted while workers at the top
            still have sessions, or were not seen cordoned yet.
        cordon: ordinals whose free slots are not to be offered any more.
        uncordon: ordinals that are wanted again. One that drains for another reason (an operator,
            SIGTERM) may be among them; only a cordon can be taken back.
        hand_over: cordoned ordinals whose sessions have room in the workers that stay: told to
            drain they hand them over at the next pause, and need not be waited for.
    """

    replicas: int
    cordon: tuple[int, ...] = ()
    uncordon: tuple[int, ...] = ()
    hand_over: tuple[int, ...] = ()


def step(seen: Observation, wanted: int) -> Step:
    """The next step towards ``wanted`` workers. Safe to repeat; it remembers nothing."""
    top = [worker for worker in seen.workers if worker.ordinal >= wanted]
    return Step(
        replicas=_replicas(seen, top, wanted),
        cordon=tuple(worker.ordinal for worker in top if worker.condition != "draining"),
        uncordon=tuple(
            worker.ordinal
            for worker in seen.workers
            if worker.ordinal < wanted and worker.condition == "draining"
        ),
        hand_over=tuple(_movable(seen, top, wanted)),
    )


def _replicas(seen: Observation, top: Sequence[WorkerSeen], wanted: int) -> int:
    """``wanted``, raised to what must not be removed yet or takes a place without being of use."""
    # An idle worker that was not seen cordoned may be given a session at any moment. Those at or
    # above `seen.replicas` are on their way out already: no figure would bring them back.
    held = [
        worker.ordinal + 1
        for worker in top
        if worker.ordinal < seen.replicas and (worker.busy or worker.condition != "draining")
    ]
    replicas = max([wanted, *held])
    if replicas <= seen.replicas:
        return replicas
    # A pod on its way out keeps its ordinal until it is gone, and no new one takes its place.
    for worker in sorted(seen.workers, key=lambda worker: worker.ordinal):
        if seen.replicas <= worker.ordinal < replicas and worker.busy:
            replicas += 1
    return replicas


def _movable(seen: Observation, top: Sequence[WorkerSeen], wanted: int) -> Iterator[int]:
    """From the highest down, as long as there is room below; who waits for a slot goes first."""
    if not top:
        return
    room = -seen.waiting + sum(
        worker.slots - worker.busy
        for worker in seen.workers
        if worker.ordinal < wanted and worker.condition in ("idle", "busy")
    )
    for worker in sorted(top, key=lambda worker: -worker.ordinal):
        if worker.condition != "draining" or not worker.busy or worker.ordinal >= seen.replicas:
            continue
        room -= worker.busy
        if room < 0:
            return
        yield worker.ordinal
