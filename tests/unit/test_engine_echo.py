from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from asr_tasks import recognizers
from asr_tasks.catalogue import Entry
from asr_tasks.contracts.lease import Checkpoint
from asr_tasks.contracts.results import Result
from asr_tasks.recognizers.base import EngineClosed, SlotsExhausted

ENTRY = Entry("echo", Path(), kind="echo", slots=2, final_every=0.1)


def finals(results: list[Result]) -> list[Result]:
    return [result for result in results if result.final]


def run(step: int, cut: int | None = None) -> list[Result]:
    engine = recognizers.load(ENTRY)
    stream, at, said = engine.open(), 0, []
    while at < 5000:
        if cut is not None and at >= cut:
            checkpoint, cut = stream.checkpoint(), None
            stream.close()
            stream = recognizers.load(ENTRY).open(resume=checkpoint)
            assert stream.position == at
        said += stream.accept(np.zeros(min(step, 5000 - at), np.float32))
        at += step
    return said + stream.finish()


def test_finals_lie_at_the_same_places_however_the_audio_is_cut() -> None:
    whole = finals(run(1600))
    assert [result.text for result in whole] == ["1600", "3200", "4800", "5000"]
    assert finals(run(700)) == whole == finals(run(5000)) == finals(run(700, cut=2100))


def test_each_accept_is_answered_at_once() -> None:
    with recognizers.load(ENTRY).open(resume=Checkpoint(320)) as stream:
        (partial,) = stream.accept(np.zeros(100, np.float32))
        assert (partial.text, partial.final) == ("420", False)


def test_slots() -> None:
    engine = recognizers.load(ENTRY)
    with engine.open(), engine.open(), pytest.raises(SlotsExhausted):
        engine.open()
    engine.open().close()
    engine.close()
    with pytest.raises(EngineClosed):
        engine.open()
