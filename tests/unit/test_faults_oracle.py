"""The judge of the fault matrix must see what it is there to see."""

from __future__ import annotations

import pytest

from asr_cli.client import Done, Event, Final, Partial
from tests.faults.caller import Clip, Heard
from tests.faults.oracle import judge

CLIP = Clip("clip", bytes(3 * 32_000))


def final(segment: int, *words: tuple[str, float, float]) -> Final:
    spelt = [{"text": text, "start": start, "end": end} for text, start, end in words]
    text = " ".join(word["text"] for word in spelt)
    return Final(segment, words[0][1], words[-1][2], text, spelt)


ONE = final(0, ("engine", 0.2, 0.5), ("four", 0.5, 0.9))
TWO = final(1, ("over", 2.0, 2.4))
HEALTHY: list[tuple[float, Event]] = [
    (0.7, Partial(0, 0.2, 0.5, "engine")),
    (1.0, Partial(0, 0.2, 0.9, "engine four")),
    (1.5, ONE),
    (2.5, Partial(1, 2.0, 2.4, "over")),
    (3.1, TWO),
    (3.2, Done(2, 3.0, "eos")),
]


def heard(events: list[tuple[float, Event]], wire: list[int] | None = None) -> Heard:
    made = Heard(CLIP, events=events)
    made.on_the_wire = [0, 1] if wire is None else wire
    return made


def test_the_same_call_costs_nothing():
    cost = judge(heard(HEALTHY), heard(HEALTHY), 0.8)
    assert cost.nothing
    assert cost.gap == 0.0


def test_a_missing_final_is_seen_with_the_chunks_under_it():
    without = [entry for entry in HEALTHY if entry[1] is not TWO]
    cost = judge(heard(HEALTHY), heard(without, [0]), None)
    assert (cost.lost, cost.chunks, cost.differs) == (1, 4, True)


def test_a_hole_is_seen_although_the_number_of_finals_is_right():
    shorter = final(0, ("engine", 0.2, 0.5))
    holed = [(at, shorter if event is ONE else event) for at, event in HEALTHY]
    cost = judge(heard(HEALTHY), heard(holed), None)
    assert cost.chunks == 4
    assert cost.differs


def test_a_final_that_comes_twice_over_the_wire_is_doubled():
    assert judge(heard(HEALTHY), heard(HEALTHY, [0, 0, 1]), None).doubled == 1


def test_an_early_end_is_lost_audio():
    early = [*HEALTHY[:-1], (3.2, Done(2, 2.5, "idle"))]
    cost = judge(heard(HEALTHY), heard(early), None)
    assert (cost.chunks, cost.differs) == (5, True)


def test_the_gap_is_how_far_the_text_was_behind():
    late = [(at + 0.4 if 0.8 < at < 2 else at, event) for at, event in HEALTHY]
    cost = judge(heard(HEALTHY), heard(late), 0.8)
    assert cost.nothing
    assert cost.gap == pytest.approx(0.4)


def test_what_was_late_before_the_fault_is_not_its_doing():
    late = [(at + 0.4 if at < 2 else at, event) for at, event in HEALTHY]
    assert judge(heard(HEALTHY), heard(late), 1.9).gap == 0.0


def test_what_was_said_before_the_fault_is_not_progress():
    again = [*HEALTHY[:1], (1.2, Partial(0, 0.2, 0.5, "engine")), *HEALTHY[2:]]
    assert judge(heard(HEALTHY), heard(again), 0.8).gap == pytest.approx(0.5)
