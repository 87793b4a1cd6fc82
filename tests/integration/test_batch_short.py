"""Short recordings in one run, on a real Redis: whoever dies after any line of it is taken up."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import redis
from numpy.typing import NDArray

from asr_tasks.batch.hearing import MAX_TRIES
from asr_tasks.batch.plan import WHOLE_SECONDS
from asr_tasks.batch.work import Joined, Work
from asr_tasks.catalogue import Catalogue
from asr_tasks.contracts.errors import BadSource, RecogniserFailed
from asr_tasks.contracts.jobs import JobRequest, JobState
from asr_tasks.contracts.results import Word
from asr_tasks.jobs.redis_records import JobRecords, Over
from asr_tasks.recognizers.offline import EchoOffline
from tests.servers.choose import Server
from tests.support.recordings import ECHO, noise, recording, seconds_said

pytestmark = pytest.mark.integration

JOB = "5f0c1c9e-0000-4000-8000-000000000001"
SECONDS = 75.0
LINES = 12
"""More than a run has commands of Redis: the last of the runs die of nothing."""


class Died(BaseException):
    """As kill -9: nobody catches it."""


class Recogniser(EchoOffline):
    """Counts what it hears; dies of a piece, if there is one to die of."""

    def __init__(self) -> None:
        self.pieces = 0
        self.deadly: NDArray[np.float32] | None = None

    def recognise(self, pieces: Sequence[NDArray[np.float32]]) -> list[tuple[Word, ...]]:
        self.pieces += len(pieces)
        if self.deadly is not None and any(
            np.array_equal(piece[: len(self.deadly)], self.deadly) for piece in pieces
        ):
            raise Died
        return super().recognise(pieces)


class MortalRecords(JobRecords):
    """Dies after so many changes of the record."""

    left: int | None = None

    def _run(self, name: str, keys: list[str], *arguments: Any) -> Any:
        answer = super()._run(name, keys, *arguments)
        if self.left is not None:
            self.left -= 1
            if not self.left:
                raise Died
        return answer


@dataclass
class Sent:
    """Implements :class:`asr_tasks.batch.work.Messages`: keeps what is sent."""

    messages: list[tuple[Any, ...]] = field(default_factory=list)

    def cut(self, job: str, model: str, start: int) -> None:
        self.messages.append(("cut", start))

    def hear(self, job: str, model: str, first: int, last: int) -> None:
        self.messages.append(("hear", first, last))

    def join(self, job: str, model: str) -> None:
        self.messages.append(("join",))


@dataclass
class Worker:
    """One run of the task after another, as its message comes again and again."""

    records: MortalRecords
    sent: Sent
    recogniser: Recogniser
    work: Work

    def run(self, path: Path, **more: Any) -> Joined | None:
        """What the task does, to the job's end."""
        request = JobRequest(str(path), model="echo", **more)
        self.work.begin(JOB, request)
        joined = self.work.cut(JOB, 0)
        if joined is not None:
            self.records.end(JOB, JobState.DONE, transcript=joined[1].to_json())
        return joined

    def dies(self, path: Path, after: int) -> bool:
        """Whether it dies, told to after so many changes."""
        self.records.left = after
        try:
            self.run(path)
        except Died:
            return True
        except Over:
            return False
        finally:
            self.records.left = None
        return False


@pytest.fixture
def worker(redis_server: Server, tmp_path: Path) -> Iterator[Worker]:
    (tmp_path / "catalogue.toml").write_text(ECHO)
    catalogue = Catalogue.load(str(tmp_path / "catalogue.toml"))
    client = redis.Redis.from_url(redis_server.url, decode_responses=True)
    records, sent, recogniser = MortalRecords(client, expires=600), Sent(), Recogniser()
    yield Worker(records, sent, recogniser, Work(records, sent, catalogue, lambda _: recogniser))
    records.close()


def test_a_short_recording_is_done_in_one_run_without_a_message(
    worker: Worker, tmp_path: Path
) -> None:
    path = recording(tmp_path / "call.flac", SECONDS)
    joined = worker.run(path)
    assert joined is not None
    assert seconds_said(joined[1], noise(SECONDS)) == pytest.approx(SECONDS)
    (kept,) = worker.records.look([JOB])
    assert (kept.job.state, kept.job.heard) == (JobState.DONE, SECONDS)
    assert worker.records.transcript(JOB) == joined[1]
    assert worker.sent.messages == []


@pytest.mark.parametrize("line", range(1, LINES))
def test_whoever_dies_after_a_line_is_taken_up_by_the_next_run(
    worker: Worker, tmp_path: Path, line: int
) -> None:
    path = recording(tmp_path / "call.flac", SECONDS)
    died = worker.dies(path, line)
    before = worker.recogniser.pieces
    over = worker.records.look([JOB])[0].job.state.over
    if not over:
        worker.run(path)
    transcript = worker.records.transcript(JOB)
    assert transcript is not None
    assert seconds_said(transcript, noise(SECONDS)) == pytest.approx(SECONDS)
    assert worker.recogniser.pieces - before in (0, 4)  # all that were in hand, or none
    assert worker.sent.messages == []
    assert died or over


def test_dying_at_every_line_in_turn_ends_the_job_all_the_same(
    worker: Worker, tmp_path: Path
) -> None:
    path = recording(tmp_path / "call.flac", SECONDS)
    deaths = sum(worker.dies(path, line) for line in range(1, LINES))
    assert deaths > 4
    transcript = worker.records.transcript(JOB)
    assert transcript is not None
    assert seconds_said(transcript, noise(SECONDS)) == pytest.approx(SECONDS)


def test_a_piece_that_kills_is_found_and_the_others_are_kept(
    worker: Worker, tmp_path: Path
) -> None:
    path = recording(tmp_path / "call.flac", SECONDS)
    begin = round(20.25 * 16_000)  # the second piece begins in the first pause
    audio = (noise(SECONDS)[:, 0] / 32768).astype(np.float32)
    worker.recogniser.deadly = audio[begin : begin + 400]
    deaths = 0
    with pytest.raises(RecogniserFailed, match="from 20"):
        while deaths <= 2 * MAX_TRIES:
            try:
                worker.run(path)
            except Died:
                deaths += 1
    (kept,) = worker.records.look([JOB])
    assert kept.job.done == 1  # what lies before it; after it nobody came


def test_the_two_channels_of_a_short_recording_are_heard_apart(
    worker: Worker, tmp_path: Path
) -> None:
    path = recording(tmp_path / "call.flac", 50, channels=2)
    joined = worker.run(path, channels="split")
    assert joined is not None
    assert seconds_said(joined[1], noise(50, channels=2)) == pytest.approx(100)


def test_a_recording_with_nothing_in_it_is_done(worker: Worker, tmp_path: Path) -> None:
    joined = worker.run(recording(tmp_path / "empty.wav", 0))
    assert joined is not None
    assert (joined[1].duration, joined[1].utterances) == (0, ())


def test_a_longer_one_goes_on_as_messages(worker: Worker, tmp_path: Path) -> None:
    assert worker.run(recording(tmp_path / "long.flac", WHOLE_SECONDS + 1)) is None
    assert [message[0] for message in worker.sent.messages] == ["hear", "hear"]


def test_one_whose_container_lies_about_its_length_goes_on_as_messages(
    worker: Worker, tmp_path: Path
) -> None:
    path = recording(tmp_path / "long.flac", WHOLE_SECONDS + 30)
    worker.records.create(JOB, JobRequest(str(path), model="echo"))
    worker.records.begin(JOB, 3.0, 1)
    assert worker.work.cut(JOB, 0) is None
    assert [message[0] for message in worker.sent.messages] == ["hear", "hear"]


def test_one_that_became_shorter_since_it_was_cut_is_not_heard_as_silence(
    worker: Worker, tmp_path: Path
) -> None:
    path = recording(tmp_path / "call.wav", SECONDS)
    cut = 4  # create, look, begin, look; look, cut
    assert worker.dies(path, cut + 2)
    assert worker.records.look([JOB])[0].job.cut
    recording(path, 20)
    with pytest.raises(BadSource, match="shorter"):
        worker.run(path)
