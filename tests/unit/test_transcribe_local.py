"""Recordings transcribed in this process: what is heard, what is kept, what is not done twice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from asr_cli.transcribe import journal as journals
from asr_cli.transcribe.local import LocalJobs
from asr_tasks.catalogue import Catalogue, Entry
from asr_tasks.contracts.errors import Overloaded, UnknownModel
from asr_tasks.contracts.jobs import Job, JobRequest, JobState
from asr_tasks.contracts.results import Word
from asr_tasks.jobs.records import Stretch
from asr_tasks.recognizers.offline import EchoOffline
from tests.support.eventually import eventually_async
from tests.support.recordings import ECHO, noise, recording, seconds_said

JOB = "5f0c1c9e-0000-4000-8000-000000000001"


class Recogniser(EchoOffline):
    """Counts the audio it hears; dies, if it is told to, of the piece that begins so."""

    def __init__(self) -> None:
        self.heard = 0.0
        self.poison: NDArray[np.float32] | None = None
        self.before: Callable[[], None] = lambda: None

    def recognise(self, pieces: Sequence[NDArray[np.float32]]) -> list[tuple[Word, ...]]:
        self.before()
        for piece in pieces:
            if self.poison is not None and np.array_equal(piece[:100], self.poison[:100]):
                raise RuntimeError("the model falls over")
        self.heard += sum(len(piece) for piece in pieces) / 16_000
        return super().recognise(pieces)


@pytest.fixture
def recogniser() -> Recogniser:
    return Recogniser()


@pytest.fixture
async def jobs(tmp_path: Path, recogniser: Recogniser) -> AsyncIterator[Callable[[], LocalJobs]]:
    """A new run of the command, each time it is called."""
    (tmp_path / "catalogue.toml").write_text(ECHO)
    catalogue = Catalogue.load(str(tmp_path / "catalogue.toml"))

    def load(entry: Entry, threads: int) -> Recogniser:
        assert (entry.name, threads) == ("echo", 1)
        return recogniser

    made: list[LocalJobs] = []

    def run() -> LocalJobs:
        made.append(LocalJobs(catalogue, tmp_path / "keep", threads=1, load=load))
        return made[-1]

    yield run
    for one in made:
        await one.close()


async def over(jobs: LocalJobs, job: str = JOB) -> Job:
    async def ended() -> Job | None:
        found = await jobs.get(job)
        return found if found is not None and found.state.over else None

    found = await eventually_async(ended, within=30)
    assert found is not None
    return found


async def test_all_of_a_recording_is_heard_once_and_in_order(
    jobs: Callable[[], LocalJobs], tmp_path: Path, recogniser: Recogniser
) -> None:
    path = recording(tmp_path / "call.flac", 70)
    here = jobs()
    await here.create(JobRequest(str(path)), JOB)
    job = await over(here)
    assert (job.state, job.code, job.duration, job.heard) == (JobState.DONE, "", 70, 70)
    transcript = await here.transcript(JOB)
    assert transcript is not None
    assert seconds_said(transcript, noise(70)) == pytest.approx(70)
    assert recogniser.heard == pytest.approx(70)
    assert (transcript.model, transcript.language, transcript.duration) == ("echo", "en", 70)


async def test_channels_are_heard_apart(jobs: Callable[[], LocalJobs], tmp_path: Path) -> None:
    path = recording(tmp_path / "call.wav", 40, channels=2)
    here = jobs()
    await here.create(JobRequest(str(path), channels="split"), JOB)
    await over(here)
    transcript = await here.transcript(JOB)
    assert transcript is not None
    assert seconds_said(transcript, noise(40, channels=2)) == pytest.approx(80)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
async def test_what_was_heard_before_an_interrupt_is_not_heard_again(
    jobs: Callable[[], LocalJobs], tmp_path: Path, recogniser: Recogniser
) -> None:
    path = recording(tmp_path / "call.flac", 130)
    here = jobs()
    interrupted = asyncio.Event()
    loop = asyncio.get_running_loop()

    def leave() -> None:
        # The second step of the first run never comes back: as after Ctrl-C.
        if recogniser.heard > 0 and not interrupted.is_set():
            loop.call_soon_threadsafe(interrupted.set)
            raise SystemExit

    recogniser.before = leave
    await here.create(JobRequest(str(path)), JOB)
    await asyncio.wait_for(interrupted.wait(), 30)
    known = await here.so_far(JOB)
    await here.close()
    await eventually_async(lambda: not here._thread.is_alive(), within=30)  # the process has gone
    before = recogniser.heard
    assert 0 < before < 130
    assert known is not None and known.utterances
    recogniser.before = lambda: None
    there = jobs()
    again = await there.create(JobRequest(str(path)), JOB)
    assert again.heard == pytest.approx(before, abs=1.0)
    assert (await over(there)).state is JobState.DONE
    assert recogniser.heard == pytest.approx(130)
    transcript = await there.transcript(JOB)
    assert transcript is not None
    assert seconds_said(transcript, noise(130)) == pytest.approx(130)
    assert transcript.utterances[: len(known.utterances)] == known.utterances


async def test_what_is_done_is_there_at_once_in_the_next_run(
    jobs: Callable[[], LocalJobs], tmp_path: Path, recogniser: Recogniser
) -> None:
    path = recording(tmp_path / "call.flac", 30)
    here = jobs()
    await here.create(JobRequest(str(path)), JOB)
    await over(here)
    there = jobs()
    assert (await there.create(JobRequest(str(path)), JOB)).state is JobState.DONE
    assert await there.transcript(JOB) == await here.transcript(JOB)
    assert recogniser.heard == pytest.approx(30)


async def test_a_piece_that_cannot_be_heard_fails_its_job_and_no_other(
    jobs: Callable[[], LocalJobs], tmp_path: Path, recogniser: Recogniser
) -> None:
    bad = recording(tmp_path / "bad.flac", 50, seed=2)
    good = recording(tmp_path / "good.flac", 30, seed=3)
    recogniser.poison = (noise(50, seed=2)[:100, 0] / 32768).astype(np.float32)
    here = jobs()
    other = JOB.replace("1", "2")
    await here.create(JobRequest(str(bad)), JOB)
    await here.create(JobRequest(str(good)), other)
    job = await over(here)
    assert (job.state, job.code) == (JobState.FAILED, "recogniser_failed")
    assert "from 0.0 s to 20." in job.message
    assert (await over(here, other)).state is JobState.DONE
    recogniser.poison = None
    await here.retry(JOB)  # a failure that was told is no reason against another try
    assert (await over(here)).state is JobState.DONE


async def test_a_file_that_is_no_recording_fails_with_its_reason(
    jobs: Callable[[], LocalJobs], tmp_path: Path
) -> None:
    path = tmp_path / "notes.wav"
    path.write_text("not audio at all")
    here = jobs()
    await here.create(JobRequest(str(path)), JOB)
    assert (await over(here)).code == "bad_audio"


async def test_a_model_that_is_not_there_is_refused(
    jobs: Callable[[], LocalJobs], tmp_path: Path
) -> None:
    path = recording(tmp_path / "call.wav", 1)
    with pytest.raises(UnknownModel):
        await jobs().create(JobRequest(str(path), model="klingon"), JOB)


async def test_a_cancelled_job_ends_and_can_be_begun_again(
    jobs: Callable[[], LocalJobs], tmp_path: Path, recogniser: Recogniser
) -> None:
    path = recording(tmp_path / "call.flac", 130)
    here = jobs()
    await here.create(JobRequest(str(path)), JOB)
    await here.cancel(JOB)
    assert (await over(here)).state is JobState.CANCELLED
    assert (await here.retry(JOB)).attempt == 2  # type: ignore[union-attr]
    assert (await over(here)).state is JobState.DONE


def test_half_a_line_at_the_end_of_a_journal_is_taken_away(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    with journals.opened(path) as journal:
        journal.cut([Stretch(0, 0, 16_000), Stretch(1, 16_000, 20_000, True)], 20_000, last=True)
        journal.hear({0: "[]"}, 1.5)
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"heard": {"7"')
    done = journals.read(path)
    assert done is not None
    assert done.complete and done.samples == 20_000 and done.seconds == 1.5
    with journals.opened(path) as journal:
        assert journal.snapshot() == done
    assert path.read_bytes() == whole


def test_two_processes_do_not_share_a_journal(tmp_path: Path) -> None:
    with (
        journals.opened(tmp_path / "a.jsonl"),
        pytest.raises(Overloaded, match="Another"),
        journals.opened(tmp_path / "a.jsonl"),
    ):
        pass


def test_tries_are_counted_over_the_deaths_of_processes_and_not_after_a_word(
    tmp_path: Path,
) -> None:
    for expected in (1, 2, 3):
        with journals.opened(tmp_path / "a.jsonl") as journal:
            assert journal.try_("0-3") == expected
    with journals.opened(tmp_path / "a.jsonl") as journal:
        journal.again()
        assert journal.try_("0-3") == 1
