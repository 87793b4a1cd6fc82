"""The second stream task: public API only, tested from a list of chunks."""

from __future__ import annotations

import math

import numpy as np
import pytest

from asr_tasks.contracts.audio import Chunk
from asr_tasks.contracts.lease import Lease
from asr_tasks.contracts.names import new_session_id
from asr_tasks.state.memory import MemorySessions
from asr_tasks.streaming.stream import Stream
from asr_tasks.streaming.testing import chunks_of, run_stream
from asr_tasks.tasks.loudness import FLOOR_DB, decibels, loudness

RATE = 16_000


def tone(seconds: float, level: float = 0.5) -> bytes:
    time = np.arange(int(seconds * RATE)) / RATE
    return (np.sin(2 * math.pi * 440 * time) * level * 32767).astype("<i2").tobytes()


def quiet(seconds: float) -> bytes:
    return bytes(2 * int(seconds * RATE))


CALL = quiet(2) + tone(3) + quiet(2) + tone(1.5)
SAID = [("silence", 0, 2), ("sound", 2, 5), ("silence", 5, 7), ("sound", 7, 8.5)]


def test_sound_and_silence_are_told_apart():
    run = run_stream(loudness, chunks_of(CALL))
    assert [(r.text, r.start, r.end) for r in run.finals] == SAID


def test_each_second_has_its_level():
    levels = [r.data["dbfs"] for r in run_stream(loudness, chunks_of(CALL)).partials]
    assert levels[0] == FLOOR_DB
    assert levels[2] == pytest.approx(20 * math.log10(0.5 / math.sqrt(2)), abs=0.1)


@pytest.mark.parametrize("dies_at", [0.5, 1.9, 2.5, 4.9, 6.5, 8.4])
def test_a_successor_says_the_same(dies_at):
    store, session = MemorySessions(), new_session_id()

    def dying(stream: Stream) -> None:
        class Mortal:
            def __getattr__(self, name: str) -> object:
                return getattr(stream, name)

            def __iter__(self):
                for chunk in stream:
                    if chunk.start >= dies_at * RATE:
                        raise RuntimeError("died")
                    yield chunk

        loudness.run(Mortal())

    with pytest.raises(RuntimeError):
        run_stream(dying, chunks_of(CALL), sessions=store, lease=Lease(session, "a", 1))
    run_stream(loudness, chunks_of(CALL), sessions=store, lease=Lease(session, "b", 2))
    assert store.transcript(session).split() == [text for text, _, _ in SAID]


def test_no_audio_says_nothing():
    assert run_stream(loudness, [Chunk(0, eos=True)]).finals == []


def test_decibels_of_full_scale():
    assert decibels(np.ones(100, np.float32)) == pytest.approx(0.0)
