"""What `asr transcribe` works on, where it writes, how it goes on, what it says."""

from __future__ import annotations

import asyncio
import io
import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from rich.console import Console

from asr_cli.transcribe import recordings, work
from asr_cli.transcribe.outputs import Outputs, planned
from asr_cli.transcribe.recordings import found, job_id
from asr_cli.transcribe.tally import Tally, left, span, times
from asr_cli.transcribe.view import Lines
from asr_cli.transcribe.work import Result, Run, Task
from asr_tasks.contracts.errors import BackendDown, BadParameter, BadSource, UnknownModel
from asr_tasks.contracts.jobs import Job, JobRequest, JobState
from asr_tasks.contracts.transcript import Transcript, Utterance

REQUEST = JobRequest("", model="english")


def touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"audio")
    return path


def test_a_folder_gives_its_recordings_and_those_within_only_if_asked(tmp_path: Path) -> None:
    touch(tmp_path / "a.wav"), touch(tmp_path / "b.txt"), touch(tmp_path / "in" / "c.MP3")
    assert [one.stem for one in found([str(tmp_path)], recursive=False)] == ["a"]
    assert [one.stem for one in found([str(tmp_path)], recursive=True)] == ["a", "in/c"]


def test_a_recording_that_is_named_twice_is_one(tmp_path: Path) -> None:
    path = touch(tmp_path / "a.bin")
    assert len(found([str(path), str(path)], recursive=False)) == 1


def test_an_address_is_a_recording_of_its_last_part() -> None:
    (one,) = found(["s3://calls/2026/night.opus"], recursive=False)
    assert (one.name, one.stem, one.local) == ("night.opus", "night", False)


@pytest.mark.parametrize("name", ["missing.wav", "."])
def test_what_is_not_there_is_said(name: str, tmp_path: Path) -> None:
    with pytest.raises(BadSource):
        found([str(tmp_path / name)], recursive=False)


def test_a_job_is_the_same_until_recording_model_or_channels_change(tmp_path: Path) -> None:
    path = touch(tmp_path / "a.wav")
    (one,) = found([str(path)], recursive=False)
    first = job_id(one, REQUEST)
    assert job_id(one, replace(REQUEST, name="other", format="srt")) == first
    assert job_id(one, replace(REQUEST, model="malay")) != first
    assert job_id(one, replace(REQUEST, channels="split")) != first
    os.utime(path, ns=(1, 1))
    assert job_id(one, REQUEST) != first


def test_outputs_lie_beside_the_recording_or_in_the_folder_that_is_named(tmp_path: Path) -> None:
    touch(tmp_path / "in" / "a.wav")
    several = found([str(tmp_path)], recursive=True)
    (beside,) = planned(several, ["text", "srt"], "")
    assert beside.places == {
        "text": str(tmp_path / "in" / "a.txt"),
        "srt": str(tmp_path / "in" / "a.srt"),
    }
    (elsewhere,) = planned(several, ["json"], str(tmp_path / "out"))
    assert elsewhere.places == {"json": str(tmp_path / "out" / "in" / "a.json")}
    (bucket,) = planned(several, ["json"], "s3://out/x/")
    assert bucket.places == {"json": "s3://out/x/in/a.json"}
    (printed,) = planned(several, ["json"], "-")
    assert printed.places == {}


def test_two_of_one_name_keep_their_endings_and_never_share_a_file(tmp_path: Path) -> None:
    touch(tmp_path / "a.wav"), touch(tmp_path / "a.mp3")
    places = planned(found([str(tmp_path)], recursive=False), ["text"], "")
    assert [Path(one.places["text"]).name for one in places] == ["a.mp3.txt", "a.wav.txt"]
    one, other = touch(tmp_path / "x" / "b.wav"), touch(tmp_path / "y" / "b.wav")
    with pytest.raises(BadParameter, match="2 recordings would be written to"):
        planned(found([str(one), str(other)], recursive=False), ["text"], str(tmp_path / "out"))


def test_outputs_that_are_newer_than_the_recording_are_done(tmp_path: Path) -> None:
    path = touch(tmp_path / "a.wav")
    (one,) = found([str(path)], recursive=False)
    (outputs,) = planned([one], ["text", "json"], "")
    assert not outputs.newer_than(one)
    outputs.write(Transcript("english", "en", 1.0))
    assert outputs.newer_than(one)
    os.utime(path, ns=(2**62, 2**62))
    assert not outputs.newer_than(one)
    assert not Outputs({}).newer_than(one)


def test_the_time_left_is_that_of_all_recordings_known_or_not() -> None:
    now = [100.0]
    tally = Tally(4, clock=lambda: now[0])
    job = Job("1", REQUEST, JobState.RUNNING, duration=100.0, heard=20.0)
    tally.see(job)
    assert tally.speed == 0.0 and tally.left is None
    now[0] += 10.0
    tally.see(replace(job, heard=70.0))
    assert tally.speed == 5.0  # what was heard before this run is not its speed
    assert tally.duration == 400.0
    assert tally.left == pytest.approx(330 / 5)
    tally.drop("1")
    assert tally.heard == 70.0


def test_spans_and_speeds_are_short() -> None:
    assert [span(s) for s in (None, 0, 59.6, 3725)] == ["–:––", "0:00", "1:00", "1:02:05"]
    assert [times(s) for s in (0, 3.44, 87.3)] == ["", "3.4×", "87×"]
    assert left(100, 40, 0) is None
    assert left(100, 40, 3) == 20


@dataclass
class Script:
    """Jobs that go through the states that the test has written down, one a look."""

    states: dict[str, list[Job]]
    errors: list[BackendDown] = field(default_factory=list)
    retried: list[str] = field(default_factory=list)

    async def create(self, request: JobRequest, job: str = "") -> Job:
        if not self.states[job]:
            raise UnknownModel("no model is called so")
        return self.states[job][0]

    async def get(self, job: str) -> Job | None:
        if self.errors:
            raise self.errors.pop()
        states = self.states[job]
        return states.pop(0) if len(states) > 1 else states[0]

    async def retry(self, job: str) -> Job | None:
        self.retried.append(job)
        self.states[job].pop(0)
        return self.states[job][0]

    async def transcript(self, job: str) -> Transcript | None:
        return await self.so_far(job)

    async def so_far(self, job: str) -> Transcript | None:
        done = self.states[job][0].done
        said = tuple(Utterance(float(n), n + 1.0, f"word {n}") for n in range(done))
        return Transcript("english", "en", 3.0, said)


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work, "LOOK_SECONDS", 0.001)


def task(folder: Path, name: str) -> Task:
    (one,) = found([str(touch(folder / name))], recursive=False)
    (outputs,) = planned([one], ["text"], str(folder / "out"))
    return Task(one, replace(REQUEST, source=one.source), name, outputs)


def made(name: str, state: JobState, done: int = 0, **more: str) -> Job:
    return Job(name, REQUEST, state, duration=3.0, heard=float(done), done=done, **more)  # type: ignore[arg-type]


async def ran(jobs: Script, tasks: Sequence[Task], *, follow: bool = False) -> tuple[Result, str]:
    console, result = Console(file=io.StringIO(), width=200), Result()
    view = Lines(console, Tally(len(tasks)), None)
    await asyncio.wait_for(Run(jobs, view, result, follow=follow).run(tasks), 20)  # type: ignore[arg-type]
    return result, console.file.getvalue()  # type: ignore[attr-defined]


async def test_each_recording_is_written_or_said_to_have_failed(tmp_path: Path) -> None:
    tasks = [task(tmp_path, name) for name in ("good.wav", "bad.wav", "refused.wav")]
    states = {
        "good.wav": [
            made("good.wav", JobState.QUEUED),
            made("good.wav", JobState.RUNNING, 1),
            made("good.wav", JobState.DONE, 2),
        ],
        "bad.wav": [
            made("bad.wav", JobState.QUEUED),
            made("bad.wav", JobState.FAILED, code="bad_audio", message="It is noise."),
        ],
        "refused.wav": [],
    }
    result, said = await ran(Script(states), tasks)
    assert [one.job for one in result.done] == ["good.wav"]
    assert {(one.job, code) for one, code, _ in result.failed} == {
        ("bad.wav", "bad_audio"),
        ("refused.wav", "unknown_model"),
    }
    assert (tmp_path / "out" / "good.txt").exists()
    assert "✗" in said and "bad_audio: It is noise." in said


async def test_follow_says_every_utterance_once_and_in_order(tmp_path: Path) -> None:
    states = [made("a.wav", JobState.RUNNING, done) for done in (1, 1, 2, 3)]
    states.append(made("a.wav", JobState.DONE, 3))
    _, said = await ran(Script({"a.wav": states}), [task(tmp_path, "a.wav")], follow=True)
    assert [line.split("  ")[-1] for line in said.splitlines() if "word" in line] == [
        "word 0",
        "word 1",
        "word 2",
    ]


async def test_a_job_that_had_failed_is_tried_again_when_asked_for_again(tmp_path: Path) -> None:
    states = [made("a.wav", JobState.FAILED, code="backend_down"), made("a.wav", JobState.DONE)]
    script = Script({"a.wav": states})
    result, _ = await ran(script, [task(tmp_path, "a.wav")])
    assert script.retried == ["a.wav"]
    assert len(result.done) == 1


async def test_servers_that_are_away_for_a_while_cost_nothing(tmp_path: Path) -> None:
    states = [made("a.wav", JobState.RUNNING), made("a.wav", JobState.DONE)]
    script = Script({"a.wav": states}, errors=[BackendDown("redis: gone")] * 3)
    result, said = await ran(script, [task(tmp_path, "a.wav")])
    assert len(result.done) == 1
    assert said.count("the servers do not answer") == 1


async def test_an_output_that_cannot_be_written_is_a_failure(tmp_path: Path) -> None:
    one = task(tmp_path, "a.wav")
    (tmp_path / "out").write_text("a file where the folder should be")
    result, _ = await ran(Script({"a.wav": [made("a.wav", JobState.DONE)]}), [one])
    assert [code for _, code, _ in result.failed] == ["bad_source"]


def test_the_kinds_of_recordings_are_written_as_suffixes_are() -> None:
    assert all(one.startswith(".") and one == one.lower() for one in recordings.KINDS)
