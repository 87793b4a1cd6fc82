"""Streams over a fake backend: framing, results, slots, checkpoints, refusal of snapshots."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pytest

from asr_tasks import recognizers
from asr_tasks.contracts.errors import ModelUnavailable, RecogniserFailed
from asr_tasks.contracts.lease import Checkpoint
from asr_tasks.contracts.results import Word
from asr_tasks.recognizers.backend import Frame, Options, Output
from asr_tasks.recognizers.base import BadSnapshot, EngineClosed, SlotsExhausted
from asr_tasks.recognizers.engine import BatchedEngine

FRAME, TAIL = 1000, 300


@dataclass(frozen=True)
class Sums:
    total: float

    def to_bytes(self) -> bytes:
        return f"sum {self.total}".encode()


class SummingBackend:
    """The partial is the sum of the samples so far; a frame of all ones ends the utterance."""

    frame, tail = FRAME, TAIL

    def __init__(self) -> None:
        self.sums: dict[int, float] = {}
        self.closed = False

    def start(self, stream: int, options: Options) -> None:
        self.sums[stream] = 0.0

    def resume(self, stream: int, options: Options, saved: bytes) -> None:
        if not saved.startswith(b"sum "):
            raise BadSnapshot("not a sum")
        self.sums[stream] = float(saved[4:])

    def step(self, frames: Sequence[Frame]) -> list[Output]:
        if any(np.isnan(frame.audio).any() for frame in frames):
            raise ValueError("not a number")
        return [self._one(frame) for frame in frames]

    def _one(self, frame: Frame) -> Output:
        assert len(frame.audio) == FRAME
        self.sums[frame.stream] += round(float(frame.audio.sum()))
        text = f"{self.sums[frame.stream]:g}"
        if frame.last or frame.audio.all():
            if frame.last:
                del self.sums[frame.stream]
            return Output(final=text, words=(Word(text, 0.01, 9.0, 0.5),))
        return Output(partial=text if text != "0" else "", start=0.0, end=0.05)

    def save(self, stream: int) -> Sums:
        return Sums(self.sums[stream])

    def release(self, stream: int) -> None:
        self.sums.pop(stream, None)

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def backend() -> SummingBackend:
    return SummingBackend()


@pytest.fixture
def engine(backend: SummingBackend) -> Iterator[BatchedEngine]:
    made = BatchedEngine(backend, slots=3)
    yield made
    made.close()


def audio(*marks: int, length: int) -> np.ndarray:
    made = np.zeros(length, np.float32)
    made[list(marks)] = 1
    return made


def test_audio_is_cut_into_frames_wherever_it_was_cut(engine: BatchedEngine) -> None:
    with engine.open() as stream:
        assert stream.accept(audio(0, length=999)) == []
        assert stream.position == 0
        assert [r.text for r in stream.accept(audio(1, 5, length=1002))] == ["1", "3"]
        assert stream.position == 2000
        assert stream.accept(np.zeros(0, np.float32)) == []


def test_a_partial_is_said_only_when_its_text_changed(engine: BatchedEngine) -> None:
    with engine.open() as stream:
        assert stream.accept(audio(length=2000)) == []
        assert [r.text for r in stream.accept(audio(0, 1500, length=4000))] == ["1", "2"]


def test_finish_flushes_the_rest_and_a_tail_of_silence(engine: BatchedEngine) -> None:
    with engine.open() as stream:
        stream.accept(audio(0, length=1900))
        (final,) = stream.finish()
        assert final.final
        assert final.text == "1"
        assert final.end == 1900 / 16000, "no time lies after the end of the audio"
        assert stream.position == 1900
        assert stream.checkpoint() == Checkpoint(1900)
        assert stream.finish() == []


def test_nothing_heard_is_nothing_said(engine: BatchedEngine, backend: SummingBackend) -> None:
    with engine.open() as stream:
        assert stream.finish() == []
    assert not backend.sums


def test_a_checkpoint_goes_on_elsewhere_on_the_sessions_clock(engine: BatchedEngine) -> None:
    stream = engine.open()
    stream.accept(audio(0, 1200, length=2500))
    checkpoint = stream.checkpoint()
    stream.close()
    assert checkpoint.position == 2000
    other = BatchedEngine(SummingBackend(), slots=1)
    with other.open(resume=checkpoint) as resumed:
        assert resumed.position == 2000
        assert [r.text for r in resumed.accept(audio(3, length=1000))] == ["3"]
    other.close()


@pytest.mark.parametrize("state", [b"", b"x", b"\0" * 16 + b"sum 7"])
def test_without_a_fitting_snapshot_it_starts_afresh_at_the_position(
    engine: BatchedEngine, state: bytes
) -> None:
    with engine.open(resume=Checkpoint(16000, state)) as stream:
        (partial,) = stream.accept(audio(0, length=1000))
        assert (partial.text, partial.start, stream.position) == ("1", 1.0, 17000)


def test_the_backends_refusal_also_starts_afresh(engine: BatchedEngine) -> None:
    with engine.open() as stream:
        stream.accept(audio(0, length=1000))
        checkpoint = stream.checkpoint()
    foreign = Checkpoint(checkpoint.position, checkpoint.state.replace(b"sum", b"dog"))
    with engine.open(resume=foreign) as stream:
        assert [r.text for r in stream.accept(audio(0, length=1000))] == ["1"]


def test_slots_are_counted_and_come_back(engine: BatchedEngine, backend: SummingBackend) -> None:
    streams = [engine.open() for _ in range(3)]
    with pytest.raises(SlotsExhausted):
        engine.open()
    for stream in streams:
        stream.close()
        stream.close()
    assert not backend.sums
    for _ in range(1000):
        with engine.open() as stream:
            pass
    with engine.open() as a, engine.open() as b, engine.open() as c:
        assert len({id(a), id(b), id(c)}) == 3


def test_a_failed_stream_stays_failed_and_the_others_go_on(
    engine: BatchedEngine, backend: SummingBackend
) -> None:
    good, bad = engine.open(), engine.open()
    with pytest.raises(RecogniserFailed, match="not a number"):
        bad.accept(np.full(1000, np.nan, np.float32))
    with pytest.raises(RecogniserFailed):
        bad.accept(audio(length=1000))
    assert [r.text for r in good.accept(audio(0, length=1000))] == ["1"]
    bad.close()
    assert len(backend.sums) == 1
    good.close()


def test_a_closed_engine_says_so(backend: SummingBackend) -> None:
    engine = BatchedEngine(backend, slots=2)
    stream = engine.open()
    engine.close()
    assert backend.closed
    with pytest.raises(EngineClosed):
        stream.accept(audio(length=1000))
    stream.close()
    with pytest.raises(EngineClosed):
        engine.open()


def test_tasks_open_the_engine_of_their_process(engine: BatchedEngine) -> None:
    with pytest.raises(ModelUnavailable, match="sums"):
        recognizers.open("sums")
    recognizers.install("sums", engine)
    with recognizers.open("sums", language="en", resume=Checkpoint()) as stream:
        assert stream.position == 0
    recognizers.uninstall("sums")
    with pytest.raises(ModelUnavailable):
        recognizers.open("sums")
