"""`asr transcribe` and `asr jobs` as people run them, on real servers and on none.

The model says checksums of what it hears, so that a lost or repeated second shows.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import redis
from click.testing import CliRunner, Result

from asr_cli.commands.jobs import jobs
from asr_cli.commands.transcribe import transcribe
from asr_tasks.contracts.transcript import Transcript
from tests.servers.choose import Server
from tests.servers.ports import wait_for_port
from tests.support.cluster import Cluster, running
from tests.support.commands import asr
from tests.support.eventually import eventually
from tests.support.recordings import ECHO, RATE, noise, recording, seconds_said
from tests.support.slow_files import slow_files

pytestmark = pytest.mark.integration

LONG = 800.0


@dataclass
class Servers:
    """RabbitMQ, Redis, and workers when a test starts them."""

    cluster: Cluster
    catalogue: Path
    staffed: bool = False

    @property
    def options(self) -> list[str]:
        return ["--broker", self.cluster.broker, "--redis", self.cluster.redis]

    def staff(self) -> None:
        """See to it that a worker is there."""
        if not self.staffed:
            self.cluster.batch_worker("batch-0", "echo")
            self.staffed = True

    def jobs(self, *arguments: str) -> Result:
        return CliRunner().invoke(jobs, [*self.options, *arguments])

    def listed(self, folder: Path) -> list[dict[str, Any]]:
        """Jobs of recordings in it: a message of an earlier test may begin a job of its own."""
        found: list[dict[str, Any]] = json.loads(self.jobs("--json").output)
        return [job for job in found if job["request"]["source"].startswith(str(folder))]


@pytest.fixture(scope="module")
def servers(
    rabbitmq: Server, redis_process: Server, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Servers]:
    folder = tmp_path_factory.mktemp("transcribe")
    catalogue = folder / "catalogue.toml"
    catalogue.write_text(ECHO)
    with redis.Redis.from_url(redis_process.url) as client:
        client.flushdb()
    with running(Cluster(rabbitmq.url, redis_process.url, folder)) as cluster:
        cluster.environment["ASR_CATALOGUE"] = str(catalogue)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("ASR_CATALOGUE", str(catalogue))
            yield Servers(cluster, catalogue)


def test_an_interrupt_leaves_the_jobs_to_the_workers_and_the_next_run_writes_them(
    servers: Servers, tmp_path: Path
) -> None:
    for number, name in enumerate(("a.flac", "b.wav")):
        recording(tmp_path / "calls" / name, 40, seed=number)
    command = ["transcribe", tmp_path / "calls", "-f", "json", *servers.options]
    with asr(tmp_path / "first", *command) as first:
        eventually(lambda: len(servers.listed(tmp_path)) == 2, within=60)
        first.interrupt()  # no worker is there: nothing is begun
        assert first.wait() == 130
        assert "2 jobs go on on the servers: `asr jobs` shows them" in first.output
    assert {job["state"] for job in servers.listed(tmp_path)} == {"queued"}
    servers.staff()
    with asr(tmp_path / "second", *command) as second:
        assert second.wait() == 0, second.output
    assert len(servers.listed(tmp_path)) == 2  # the same jobs, not two more
    for number, name in enumerate(("a.json", "b.json")):
        transcript = Transcript.from_json((tmp_path / "calls" / name).read_text())
        assert seconds_said(transcript, noise(40, seed=number)) == pytest.approx(40)
    third = CliRunner().invoke(transcribe, [str(tmp_path / "calls"), "-f", "json"])
    assert third.exit_code == 0
    assert third.output.count("done already") == 2


def test_jobs_are_listed_shown_cancelled_and_retried(servers: Servers, tmp_path: Path) -> None:
    servers.staff()
    bad = tmp_path / "notes.wav"
    bad.write_text("this is no recording")
    failed = CliRunner().invoke(transcribe, [str(bad), *servers.options])
    assert failed.exit_code == 1
    assert "1 of 1 failed" in failed.output
    assert "bad_audio" in failed.output
    (job,) = [one for one in servers.listed(tmp_path) if one["state"] == "failed"]
    short = job["id"][:13]
    assert "failed" in servers.jobs("--state", "failed").output
    shown = servers.jobs("show", short)
    assert str(bad) in shown.output and "bad_audio" in shown.output
    assert isinstance(servers.jobs("show", short, "-f", "text").exception, Exception)
    assert servers.jobs("cancel", short).exit_code == 1  # it is over
    recording(bad, 21)  # what was wrong is put right
    assert "queued" in servers.jobs("retry", short).output

    def done() -> bool:
        return json.loads(servers.jobs("show", short, "--json").output)["state"] == "done"

    eventually(done, within=60, every=0.2)
    said = servers.jobs("show", job["id"], "--format", "json").output
    assert seconds_said(Transcript.from_json(said), noise(21)) == pytest.approx(21)


def test_a_gateway_takes_the_recording_and_gives_the_transcript(
    servers: Servers, tmp_path: Path
) -> None:
    servers.staff()
    gateway = servers.cluster.gateway("gateway", ASR_UPLOADS=str(tmp_path / "uploads"))
    wait_for_port(gateway.port, within=60)
    path = recording(tmp_path / "call.flac", 45, seed=7)
    there = ["--gateway", f"127.0.0.1:{gateway.port}"]
    ran = CliRunner().invoke(transcribe, [str(path), *there, "--model", "echo", "-f", "json"])
    assert ran.exit_code == 0, ran.output
    transcript = Transcript.from_json(path.with_suffix(".json").read_text())
    assert seconds_said(transcript, noise(45, seed=7)) == pytest.approx(45)
    listed = CliRunner().invoke(jobs, [*there, "--state", "done"])
    assert "call.flac" in listed.output, listed.output


def test_an_id_that_no_job_has_is_said(servers: Servers) -> None:
    for arguments in (("show", "ffff"), ("cancel", "0" * 36)):
        assert "UnknownJob" in repr(servers.jobs(*arguments).exception)


def test_an_interrupt_of_this_process_keeps_what_was_heard(tmp_path: Path) -> None:
    catalogue = tmp_path / "catalogue.toml"
    catalogue.write_text(ECHO)
    recording(tmp_path / "web" / "call.wav", LONG)
    out = tmp_path / "out"
    here = ["--local", "--catalogue", catalogue, "--keep", tmp_path / "keep"]
    own = [*here, "--out", out, "--format", "json"]
    # Ten minutes are cut and heard before more is read; what comes after is kept back.
    with slow_files(tmp_path / "web", gate=round(LONG - 60) * 2 * RATE) as web:
        command = ["transcribe", f"{web.url}/call.wav", *own]
        with asr(tmp_path / "first", *command, "--follow") as first:
            assert web.asked_beyond.wait(60), first.output
            first.until("9:47")  # the last utterance that is heard was printed
            first.interrupt()
            assert first.wait() == 130, first.output
        assert "run the same command again to go on" in first.output
        assert not out.exists()
        web.open()
        with asr(tmp_path / "second", *command) as second:
            assert second.wait() == 0, second.output
        assert not web.asked_whole  # in parts, as they are needed
    (begun,) = [line for line in second.output.splitlines() if "begun" in line]
    assert "10:08 done before" in begun
    transcript = Transcript.from_json((out / "call.json").read_text())
    assert seconds_said(transcript, noise(LONG)) == pytest.approx(LONG)


def test_transcripts_are_printed_alone_on_standard_output(tmp_path: Path) -> None:
    catalogue = tmp_path / "catalogue.toml"
    catalogue.write_text(ECHO)
    path = recording(tmp_path / "call.flac", 5)
    arguments = ["--local", "--catalogue", str(catalogue), "--keep", str(tmp_path / "keep")]
    ran = CliRunner().invoke(transcribe, [str(path), *arguments, "-f", "json", "-o", "-"])
    assert ran.exit_code == 0, ran.output
    assert Transcript.from_json(ran.stdout).duration == 5
    assert list(tmp_path.glob("*.json")) == []
    assert "✓" in ran.stderr
