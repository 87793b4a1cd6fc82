"""Workers as local processes keep a StatefulSet's promises. Real processes, a pretended worker."""

from __future__ import annotations

import os
import signal
import sys

import pytest

from allocator.scaling.processes import ProcessWorkload
from allocator.scaling.scaled import ScaleConflict
from tests.support.eventually import eventually_async

WORKER = """
import os, signal, sys, threading, time
name = os.environ["ASR_WORKER_NAME"]
leave = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: leave.set())
print("begins", os.environ["ASR_MODEL"], os.getpid(), flush=True)
while not leave.is_set():
    leave.wait(0.1)
print("leaves", flush=True)
hold = os.environ.get("HOLD", "")
while hold and os.path.exists(hold):
    time.sleep(0.02)
print("ends", flush=True)
"""


@pytest.fixture
async def workload(tmp_path):
    made = []

    def make(**environment):
        workload = ProcessWorkload(
            environment, tmp_path, stop_seconds=10.0, command=(sys.executable, "-c", WORKER)
        )
        made.append(workload)
        return workload

    yield make
    for one in made:
        await one.close()


async def scale(workload, replicas, model="english"):
    await workload.scale(model, replicas, await workload.replicas(model), term=1)


def said(folder, ordinal, model="english"):
    log = folder / f"worker-{model}-{ordinal}.log"
    return log.read_text().split("\n")[:-1] if log.exists() else []


def pid_of(folder, ordinal):
    return int([line for line in said(folder, ordinal) if line.startswith("begins")][-1].split()[2])


async def begins(folder, ordinal, times=1):
    await eventually_async(
        lambda: sum(line.startswith("begins") for line in said(folder, ordinal)) == times, within=30
    )


async def test_it_starts_as_many_as_are_wanted_each_under_its_name(workload, tmp_path):
    ours = workload()
    await scale(ours, 2)
    await begins(tmp_path, 0)
    await begins(tmp_path, 1)
    assert said(tmp_path, 0)[0].startswith("begins english ")
    assert said(tmp_path, 2) == []
    assert (await ours.replicas("english")).replicas == 2
    assert (await ours.replicas("malay")).replicas == 0


async def test_the_highest_leaves_first_and_is_let_finish(workload, tmp_path):
    hold = tmp_path / "hold"
    hold.touch()
    ours = workload(HOLD=str(hold))
    await scale(ours, 2)
    await begins(tmp_path, 0)
    await begins(tmp_path, 1)
    await scale(ours, 1)
    await eventually_async(lambda: "leaves" in said(tmp_path, 1), within=30)
    assert "ends" not in said(tmp_path, 1)
    assert "leaves" not in said(tmp_path, 0)
    hold.unlink()
    await eventually_async(lambda: said(tmp_path, 1)[-1] == "ends", within=30)
    await eventually_async(lambda: ours.running == 1, within=30)


async def test_one_that_is_wanted_again_while_it_leaves_comes_back_after_it_left(
    workload, tmp_path
):
    hold = tmp_path / "hold"
    hold.touch()
    ours = workload(HOLD=str(hold))
    await scale(ours, 1)
    await begins(tmp_path, 0)
    await scale(ours, 0)
    await eventually_async(lambda: "leaves" in said(tmp_path, 0), within=30)
    await scale(ours, 1)
    assert sum(line.startswith("begins") for line in said(tmp_path, 0)) == 1
    hold.unlink()
    await begins(tmp_path, 0, times=2)


async def test_one_that_dies_comes_back_under_its_name(workload, tmp_path):
    ours = workload()
    await scale(ours, 1)
    await begins(tmp_path, 0)
    os.kill(pid_of(tmp_path, 0), signal.SIGKILL)
    await begins(tmp_path, 0, times=2)


async def test_who_saw_an_older_scale_is_refused(workload, tmp_path):
    ours = workload()
    seen = await ours.replicas("english")
    await scale(ours, 1)
    with pytest.raises(ScaleConflict):
        await ours.scale("english", 3, seen, term=1)
    assert (await ours.replicas("english")).replicas == 1


async def test_a_worker_that_does_not_leave_is_killed(tmp_path):
    deaf = WORKER.replace("lambda *_: leave.set()", "signal.SIG_IGN")
    ours = ProcessWorkload({}, tmp_path, stop_seconds=0.5, command=(sys.executable, "-c", deaf))
    await scale(ours, 1)
    await begins(tmp_path, 0)
    pid = pid_of(tmp_path, 0)
    await ours.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_closing_takes_all_of_them_along(workload, tmp_path):
    ours = workload()
    await scale(ours, 3)
    for ordinal in range(3):
        await begins(tmp_path, ordinal)
    await ours.close()
    assert ours.running == 0
    assert all(said(tmp_path, ordinal)[-1] == "ends" for ordinal in range(3))
