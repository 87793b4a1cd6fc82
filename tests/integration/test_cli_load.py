"""`asr load` against the whole system in one process, as a person runs both."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from asr_cli.commands.load import load
from asr_tasks.contracts.errors import UnknownModel
from tests.servers.ports import free_port
from tests.support.commands import asr
from tests.support.streams_of_worker import CATALOGUE

pytestmark = pytest.mark.integration

AUTOSCALER = """{"spec": {"minReplicas": 2, "maxReplicas": 10},
 "status": {"currentReplicas": 2, "desiredReplicas": 2}}"""


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A system whose worker takes four calls at a time."""
    folder = tmp_path_factory.mktemp("up")
    (folder / "catalogue.toml").write_text(CATALOGUE)
    port = free_port()
    arguments = ("up", "--port", str(port), "--allocator-port", "0", "--model", "echo")
    with asr(folder / "log", *arguments, "--catalogue", folder / "catalogue.toml") as system:
        system.until("ready", within=120)
        yield f"ws://127.0.0.1:{port}"


def run(url: str, told: Path, *arguments: str) -> tuple[Result, dict[str, Any]]:
    """The command, in this process, and its report."""
    result = CliRunner().invoke(load, [url, *arguments, "--model", "echo", "--json", str(told)])
    return result, json.loads(told.read_text()) if told.exists() else {}


def test_every_chunk_of_every_caller_is_accepted_and_answered(url: str, tmp_path: Path) -> None:
    arguments = ("--sessions", "3", "--seconds", "2", "--ramp", "0.3")
    result, report = run(url, tmp_path / "told", *arguments)
    assert result.exit_code == 0, result.output
    assert report["sessions"] == {
        "opened": 3, "refused": 0, "failed": 0, "done": 3, "cut": 0, "most": 3, "reconnects": 0,
    }  # fmt: skip
    # Two seconds at ten a second each; the last ones are stored, their acceptance may go unsaid.
    assert report["chunks"]["sent"] >= 3 * 15
    assert 3 * 10 <= report["chunks"]["accepted"] <= report["chunks"]["sent"]
    assert report["results"]["finals"] >= 3 * 2
    assert report["latency"]["lag"]["count"] == report["results"]["finals"]
    assert report["latency"]["first"]["count"] == report["latency"]["tail"]["count"] == 3
    assert report["transfer"]["sent_bytes"] >= report["chunks"]["sent"] * 3200
    assert report["messages"]["received"] > report["results"]["finals"]
    assert not report["errors"]
    assert "3 opened, 0 refused, 0 failed, 3 done" in result.output


def test_callers_call_again_and_the_autoscaler_is_watched_beside_them(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kubectl = tmp_path / "kubectl"
    kubectl.write_text(f"#!/bin/sh\necho '{AUTOSCALER}'\n")
    kubectl.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    arguments = ("--sessions", "1", "--seconds", "2", "--ramp", "0", "--call", "1", "--hpa")
    result, report = run(url, tmp_path / "told", *arguments)
    assert result.exit_code == 0, result.output
    assert report["sessions"]["opened"] == report["sessions"]["done"] >= 2
    assert report["sessions"]["most"] == 1
    first = report["hpa"][0]
    assert (first["replicas"], first["most"]) == (2, 10)
    assert "replicas" in result.output


def test_the_old_protocol_is_spoken_where_its_path_is_given(url: str, tmp_path: Path) -> None:
    arguments = ("--sessions", "2", "--seconds", "1", "--ramp", "0")
    result, report = run(f"{url}/client/ws/speech", tmp_path / "told", *arguments)
    assert result.exit_code == 0, result.output
    assert report["protocol"] == "kaldi"
    assert (report["sessions"]["done"], report["sessions"]["failed"]) == (2, 0)
    assert report["results"]["finals"] >= 2


def test_an_interrupt_hangs_up_and_reports_what_was_done(url: str, tmp_path: Path) -> None:
    told = tmp_path / "report.json"
    arguments = ("--sessions", "2", "--seconds", "600", "--ramp", "0", "--model", "echo")
    with asr(tmp_path / "log", "load", url, *arguments, "--json", told) as running:
        running.until("2 sessions")  # the first line of progress
        running.interrupt()
        assert running.wait() == 130, running.output
    report = json.loads(told.read_text())
    assert report["sessions"]["opened"] == 2
    assert report["sessions"]["failed"] == 0
    assert report["seconds"] < 300


def test_a_model_that_is_unknown_ends_the_run_with_its_error(url: str) -> None:
    result = CliRunner().invoke(load, [url, "--sessions", "2", "--model", "klingon"])
    assert isinstance(result.exception, UnknownModel)


def test_a_gateway_that_is_not_there_counts_as_failed(tmp_path: Path) -> None:
    arguments = ("--sessions", "1", "--seconds", "1", "--ramp", "0", "--protocol", "kaldi")
    result, report = run(f"127.0.0.1:{free_port()}", tmp_path / "told", *arguments)
    assert result.exit_code == 1
    assert report["sessions"]["opened"] == 0
    assert report["sessions"]["failed"] >= 1
    assert list(report["errors"]) == ["backend_down"]
