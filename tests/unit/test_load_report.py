"""The arithmetic of `asr load`: what is counted, how it is summed up, what is printed."""

from __future__ import annotations

import io
import json
import os
import random
import stat
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from asr_cli.client import Accepted, Done, Final, Partial, Ready, Reconnecting
from asr_cli.load import report
from asr_cli.load.call import Call
from asr_cli.load.crowd import Plan, speech
from asr_cli.load.figures import Figures
from asr_cli.load.hpa import Hpa, HpaUnseen, Look, parse
from asr_cli.load.spread import Spread

CHUNK = 3200
READY = Ready("s", "t", "english", resumed=False)
PLAN = Plan("ws://gateway:8080", bytes(CHUNK), sessions=3, seconds=10.0)


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def figures(clock: Clock) -> Figures:
    return Figures(clock=clock)


def test_a_spread_has_the_figures_of_the_numbers_themselves() -> None:
    chance = random.Random(7)
    seconds = [chance.lognormvariate(-3, 1) for _ in range(5000)]
    spread = Spread()
    for one in seconds:
        spread.add(one)
    summary = spread.summary()
    assert summary is not None
    exact = np.asarray(seconds)
    assert summary.count == 5000
    assert summary.average == pytest.approx(exact.mean(), rel=1e-9)
    assert summary.stdev == pytest.approx(exact.std(), rel=1e-6)
    assert summary.max == exact.max()
    found = (summary.p50, summary.p75, summary.p90, summary.p99)
    assert found == pytest.approx(np.percentile(exact, [50, 75, 90, 99]), rel=0.01)
    near = np.abs(exact - exact.mean()) <= exact.std()
    assert summary.within == pytest.approx(near.mean(), abs=0.01)


def test_nothing_measured_is_said_as_nothing() -> None:
    assert Spread().summary() is None
    assert Spread().percentile(99) == 0.0


def test_what_took_no_time_or_an_hour_is_still_counted() -> None:
    spread = Spread()
    for seconds in (-0.5, 0.0, 5000.0):
        spread.add(seconds)
    summary = spread.summary()
    assert summary is not None
    assert (summary.count, summary.max, summary.p50) == (3, 3600.0, pytest.approx(0, abs=1e-5))


def test_lateness_counts_from_when_a_word_was_spoken(clock: Clock, figures: Figures) -> None:
    call = Call(figures)
    clock.now += 0.25
    call.see(READY)
    call.begin()
    for _ in range(10):
        clock.now += 0.1
        call.send(CHUNK)
    clock.now += 0.05
    call.see(Accepted(5 * CHUNK, 0.5))
    call.see(Partial(0, 0.2, 0.8, "engine"))
    call.see(Final(0, 0.2, 0.85, "engine four"))
    call.end()
    clock.now += 0.5
    call.see(Done(1, 1.0, "eos"))
    call.close()
    assert figures.connect.percentile(50) == pytest.approx(0.25, rel=0.01)
    # The fifth chunk was due at 0.5 s, the first at 0.1 s; it is 1.05 s now.
    assert figures.accept.summary().max == pytest.approx(0.95)  # type: ignore[union-attr]
    assert figures.accept.percentile(0) == pytest.approx(0.55, rel=0.01)
    assert figures.first.percentile(50) == pytest.approx(1.05, rel=0.01)
    assert figures.lag.percentile(50) == pytest.approx(1.05 - 0.85, rel=0.01)
    assert figures.tail.percentile(50) == pytest.approx(0.5, rel=0.01)
    assert figures.late.percentile(99) < 0.001
    counted = (figures.sent, figures.accepted, figures.partials, figures.finals, figures.done)
    assert counted == (10, 5, 1, 1, 1)
    assert (figures.live, figures.most, figures.opened) == (0, 1, 1)


def test_a_caller_who_is_held_back_shows_as_late(clock: Clock, figures: Figures) -> None:
    call = Call(figures)
    call.begin()
    clock.now += 0.4  # the first chunk was due after 0.1 s
    call.send(CHUNK)
    assert figures.late.percentile(50) == pytest.approx(0.3, rel=0.01)
    call.see(Accepted(CHUNK, 0.1))
    assert figures.accept.percentile(50) == pytest.approx(0.3, rel=0.01)


def test_a_session_that_comes_back_is_one_session(clock: Clock, figures: Figures) -> None:
    call = Call(figures)
    call.see(Reconnecting("nobody there", 1, 0.1))
    call.see(READY)
    call.see(Reconnecting("connection lost", 1, 0.1))
    call.see(Ready("s", "t", "english", resumed=True))
    assert (figures.opened, figures.live, figures.reconnects) == (1, 1, 1)


def filled(figures: Figures, clock: Clock) -> Figures:
    figures.begin()
    figures.traffic.messages_sent, figures.traffic.bytes_sent = 300, 300 * CHUNK
    figures.traffic.messages_received, figures.traffic.bytes_received = 50, 5000
    figures.sent, figures.accepted = 300, 290
    figures.went_live()
    figures.lag.add(0.5)
    figures.refused = 2
    figures.blame("overloaded", "This gateway is full.")
    figures.blame("overloaded", "This gateway is full now.")
    clock.now += 10.0
    figures.end()
    clock.now += 99.0
    return figures


def test_rates_are_over_the_time_the_run_took(clock: Clock, figures: Figures) -> None:
    told = report.as_json(PLAN, filled(figures, clock), [])
    assert told["seconds"] == 10.0
    assert told["messages"]["sent_per_second"] == 30.0
    assert told["messages"]["received_per_second"] == 5.0
    assert told["transfer"]["sent_bytes_per_second"] == 96_000.0
    assert told["transfer"]["received_bytes_per_second"] == 500.0
    assert told["chunks"] == {"sent": 300, "accepted": 290}
    assert told["latency"]["lag"]["p99"] == 0.5
    assert told["latency"]["first"] is None
    assert told["errors"] == {"overloaded": {"count": 2, "last": "This gateway is full now."}}
    assert json.loads(json.dumps(told)) == told


def test_the_report_for_people_has_every_figure(clock: Clock, figures: Figures) -> None:
    console = Console(file=io.StringIO(), width=140)
    looks = [Look(5.0, 3, 2, 4, 2, 10, 246, 13, 75, 75), Look(10.0, 3, missed="kubectl: gone")]
    report.show(console, PLAN, filled(figures, clock), looks)
    said = console.file.getvalue()  # type: ignore[attr-defined]
    for words in (
        "3 connections",
        "1 opened, 2 refused, 0 failed",
        "300 sent, 290 accepted",
        "960.0 kB sent (96.0 kB/s)",
        "2 × overloaded: This gateway is full now.",
        "246%/75%",
        "kubectl: gone",
    ):
        assert words in said


def test_a_recording_is_cut_to_whole_chunks_and_to_the_limit() -> None:
    assert len(speech(iter([]), 1.0)) == CHUNK
    assert len(speech(iter([bytes(10)]), 1.0)) == CHUNK
    assert len(speech(iter([bytes(CHUNK)] * 100), 1.0)) == 10 * CHUNK


def autoscaler() -> dict[str, object]:
    def resource(name: str, of: str, percent: int) -> dict[str, object]:
        return {"type": "Resource", "resource": {"name": name, of: {"averageUtilization": percent}}}

    return {
        "spec": {
            "minReplicas": 2,
            "maxReplicas": 10,
            "metrics": [resource("cpu", "target", 75), resource("memory", "target", 80)],
        },
        "status": {
            "currentReplicas": 4,
            "desiredReplicas": 7,
            "currentMetrics": [resource("cpu", "current", 136), resource("memory", "current", 13)],
        },
    }


def test_an_autoscaler_is_read_as_kubectl_shows_it() -> None:
    assert parse(autoscaler(), 30.0, 25) == Look(30.0, 25, 4, 7, 2, 10, 136, 13, 75, 80)


def test_an_autoscaler_that_has_measured_nothing_yet_has_no_load() -> None:
    raw = autoscaler()
    raw["status"] = {"currentReplicas": 2, "desiredReplicas": 2, "currentMetrics": None}
    seen = parse(raw, 0.0, 0)
    assert (seen.cpu, seen.memory, seen.replicas) == (None, None, 2)


def kubectl(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    program = folder / "kubectl"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")


async def test_kubectl_is_asked_for_this_autoscaler(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "answer").write_text(json.dumps(autoscaler()))
    kubectl(tmp_path, monkeypatch, f'echo "$@" > {tmp_path}/asked; cat {tmp_path}/answer')
    seen = await Hpa("gateway", "asr").look(1.0, 2)
    assert seen.desired == 7
    assert (tmp_path / "asked").read_text().split() == (
        ["get", "hpa", "gateway", "-o", "json", "--namespace", "asr"]
    )


async def test_what_kubectl_complains_of_is_passed_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kubectl(tmp_path, monkeypatch, "echo E1126 >&2; echo 'no such autoscaler' >&2; exit 1")
    with pytest.raises(HpaUnseen, match="kubectl: no such autoscaler"):
        await Hpa("gateway", "").look(0.0, 0)


def test_without_kubectl_it_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(HpaUnseen, match="no kubectl in the PATH: install it, or leave --hpa out"):
        Hpa("gateway", "")
