"""The demo model through NeMo's pipelines: exactness of resume, batches, tails, forced finals."""

from __future__ import annotations

import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from asr_tasks import recognizers
from asr_tasks.catalogue import Catalogue, Entry
from asr_tasks.contracts.errors import RecogniserFailed
from asr_tasks.contracts.lease import Checkpoint
from asr_tasks.contracts.results import Result
from asr_tasks.recognizers.base import Engine, Recognizer

Audio = NDArray[np.float32]
ENTRY = replace(Catalogue.load().get("english"), slots=16)
RECORDINGS = Path(__file__).parents[2] / "models" / "english" / "recordings"

pytestmark = pytest.mark.skipif(not ENTRY.available, reason="the demo model is not installed")


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    made = recognizers.load(ENTRY)
    yield made
    made.close()


@pytest.fixture(scope="module")
def successor() -> Iterator[Engine]:
    """Another engine object of the same model, as another worker has it."""
    made = recognizers.load(ENTRY)
    yield made
    made.close()


@pytest.fixture(scope="module")
def recordings() -> list[Audio]:
    """About 10 s pieces of the recordings, some cut in mid-word, with noise for variety."""
    noise = np.random.default_rng(1)
    pieces = []
    for file in sorted(RECORDINGS.glob("*.flac")):
        audio, rate = soundfile.read(file, dtype="float32")
        assert rate == 16000
        for at in range(0, min(len(audio), 16000 * 40), 160000):
            piece = audio[at : at + 160000]
            hiss = noise.normal(0, 0.003, len(piece)).astype(np.float32)
            pieces.append((piece + hiss).astype(np.float32))
    return pieces[:8]


def feed(stream: Recognizer, audio: Audio, chunk: int = 1600) -> list[Result]:
    said = []
    for at in range(0, len(audio), chunk):
        said += stream.accept(audio[at : at + chunk])
    return said


def alone(engine: Engine, audio: Audio, chunk: int = 1600) -> list[Result]:
    with engine.open() as stream:
        return feed(stream, audio, chunk) + stream.finish()


def finals(results: list[Result]) -> list[Result]:
    return [result for result in results if result.final]


def texts(results: list[Result]) -> list[Any]:
    """Final texts and word times; confidences differ in the seventh digit between batch sizes."""
    return [(r.text, [(w.text, w.start, w.end) for w in r.words]) for r in results if r.final]


def test_it_recognises(engine: Engine, recordings: list[Audio]) -> None:
    results = alone(engine, recordings[0])
    assert any(not result.final for result in results)
    last_end = 0.0
    for result in finals(results):
        assert result.text == " ".join(word.text for word in result.words)
        assert result.start == result.words[0].start >= last_end - 0.1
        assert result.end == result.words[-1].end <= len(recordings[0]) / 16000
        assert all(w.start < w.end and 0 <= w.confidence <= 1 for w in result.words)
        last_end = result.end
    assert sum(len(result.words) for result in finals(results)) >= 8


def test_partials_come_only_with_new_text(engine: Engine, recordings: list[Audio]) -> None:
    said = [(result.text, result.final) for result in alone(engine, recordings[0])]
    assert all(before != after for before, after in pairwise(said))


@pytest.mark.parametrize("chunk", [160, 777, 16000, 10**6])
def test_the_cut_of_the_audio_does_not_matter(
    engine: Engine, recordings: list[Audio], chunk: int
) -> None:
    assert finals(alone(engine, recordings[1], chunk)) == finals(alone(engine, recordings[1]))


def test_cut_anywhere_and_resumed_elsewhere_it_is_the_same(
    engine: Engine, successor: Engine, recordings: list[Audio]
) -> None:
    dice = random.Random(5)
    for audio in recordings[:4]:
        whole = finals(alone(engine, audio))
        for _ in range(6):
            cut = dice.randrange(len(audio))
            with engine.open() as stream:
                said = feed(stream, audio[:cut])
                checkpoint = stream.checkpoint()
            with successor.open(resume=checkpoint) as stream:
                assert stream.position == checkpoint.position <= cut
                said += feed(stream, audio[checkpoint.position :]) + stream.finish()
            # equal to the last digit of confidence: the caches are equal bit by bit
            assert finals(said) == whole, f"cut at {cut}"


def test_handed_on_after_every_chunk_it_is_the_same(
    engine: Engine, successor: Engine, recordings: list[Audio]
) -> None:
    audio, said, checkpoint = recordings[1], list[Result](), Checkpoint()
    for turn, end in enumerate(range(12000, len(audio), 12000)):
        with (engine, successor)[turn % 2].open(resume=checkpoint) as stream:
            said += feed(stream, audio[checkpoint.position : end])
            checkpoint = stream.checkpoint()
    with engine.open(resume=checkpoint) as stream:
        said += feed(stream, audio[checkpoint.position :]) + stream.finish()
    assert finals(said) == finals(alone(engine, audio))


def test_a_resumed_session_keeps_its_clock(engine: Engine, recordings: list[Audio]) -> None:
    with engine.open(resume=Checkpoint(16000 * 3600)) as stream:
        late = finals(feed(stream, recordings[0]) + stream.finish())
    soon = finals(alone(engine, recordings[0]))
    assert [r.text for r in late] == [r.text for r in soon]
    assert [r.start for r in late] == pytest.approx([r.start + 3600 for r in soon])


def test_company_changes_nothing(engine: Engine, recordings: list[Audio]) -> None:
    expected = [texts(alone(engine, audio)) for audio in recordings]
    with ThreadPoolExecutor(16) as pool:
        got = list(pool.map(lambda audio: texts(alone(engine, audio)), recordings * 2))
    assert got == expected * 2


def test_a_snapshot_of_another_configuration_is_refused(
    engine: Engine, recordings: list[Audio]
) -> None:
    with engine.open() as stream:
        feed(stream, recordings[0][:32000])
        checkpoint = stream.checkpoint()
    other = recognizers.load(replace(ENTRY, slots=1, att_context=(70, 1)))
    with other.open(resume=checkpoint) as stream:
        assert stream.position == checkpoint.position
        afresh = finals(feed(stream, recordings[0][checkpoint.position :]) + stream.finish())
    assert afresh
    assert afresh[0].start >= checkpoint.position / 16000
    other.close()


def test_slots_survive_a_thousand_aborts(engine: Engine, recordings: list[Audio]) -> None:
    with ThreadPoolExecutor(16) as pool:
        assert all(pool.map(lambda n: _abort(engine, recordings[0], n), range(1000)))
    streams = [engine.open() for _ in range(16)]
    for stream in streams:
        stream.accept(recordings[0][:9000])
    for stream in streams:
        stream.close()


def _abort(engine: Engine, audio: Audio, number: int) -> bool:
    with engine.open() as stream:
        stream.accept(audio[: (number % 5) * 3000])
        if number % 3 == 0:
            stream.checkpoint()
    return True


def test_a_poisoned_stream_fails_alone(
    engine: Engine, recordings: list[Audio], monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = [texts(alone(engine, audio)) for audio in recordings[:6]]
    pipeline: Any = engine._backend._pipeline  # type: ignore[attr-defined]
    decode = pipeline.run_greedy_decoder

    def poisoned(state: Any, request: Any, log_probs: Any) -> Any:
        if float(request.samples.abs().max()) > 5:
            raise ValueError("poison")
        return decode(state, request, log_probs)

    monkeypatch.setattr(pipeline, "run_greedy_decoder", poisoned)
    bad = recordings[6].copy()
    bad[50000:] = 9.0

    def run(audio: Audio) -> Any:
        try:
            return texts(alone(engine, audio))
        except RecogniserFailed as error:
            return str(error)

    with ThreadPoolExecutor(7) as pool:
        got = list(pool.map(run, [*recordings[:6], bad]))
    assert got[:6] == expected
    assert "poison" in got[6]


def test_a_final_is_forced_in_speech_without_a_pause(recordings: list[Audio]) -> None:
    forced = recognizers.load(replace(ENTRY, slots=1, max_utterance=2.0))
    patient = recognizers.load(replace(ENTRY, slots=1, max_utterance=1e9))
    got, expected = finals(alone(forced, recordings[0])), finals(alone(patient, recordings[0]))
    forced.close()
    patient.close()
    assert len(got) > len(expected)
    assert all(result.end - result.start < 4.0 for result in got)
    assert [w.text for r in got for w in r.words] == [w.text for r in expected for w in r.words]


@pytest.mark.parametrize("audio", [np.zeros(80000, np.float32), np.zeros(1600, np.float32)])
def test_silence_is_nothing(engine: Engine, audio: Audio) -> None:
    assert finals(alone(engine, audio)) == []


def test_an_offline_pipeline_runs_behind_the_same_engine(recordings: list[Audio]) -> None:
    buffered = replace(ENTRY, kind="buffered", slots=2, chunk_seconds=0.96, right_seconds=0.96)
    engine, other = recognizers.load(buffered), recognizers.load(buffered)
    whole = finals(alone(engine, recordings[0]))
    assert sum(len(result.words) for result in whole) >= 8
    with engine.open() as stream:
        said = feed(stream, recordings[0][:70000])
        checkpoint = stream.checkpoint()
    with other.open(resume=checkpoint) as stream:
        said += feed(stream, recordings[0][checkpoint.position :]) + stream.finish()
    assert finals(said) == whole
    engine.close()
    other.close()


def test_importing_the_package_imports_no_torch() -> None:
    import subprocess
    import sys

    code = (
        "import sys, asr_tasks.recognizers, asr_tasks.catalogue;"
        "sys.exit('torch' in sys.modules or 'nemo' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=60, check=False).returncode == 0


def test_an_absent_checkpoint_is_said_before_anything_is_loaded() -> None:
    from asr_tasks.contracts.errors import ModelUnavailable

    with pytest.raises(ModelUnavailable, match=r"gone\.nemo"):
        recognizers.load(Entry("x", Path(), model="gone.nemo"))
