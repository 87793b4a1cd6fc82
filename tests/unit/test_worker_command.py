"""The command line that `python -m asr_tasks.worker` becomes."""

from __future__ import annotations

import os
import sys

import pytest

from asr_tasks.worker import __main__ as worker


@pytest.fixture
def run(monkeypatch):
    """What it becomes: the command and its environment."""
    became = []
    monkeypatch.setattr(os, "execv", lambda _, command: became.append((command, os.environ)))
    monkeypatch.setattr(os, "execve", lambda _, command, env: became.append((command, env)))
    monkeypatch.setattr(os, "nice", lambda step: became.append(step))
    for name in ("ASR_WORKER_ROLE", "ASR_WORKER_NAME"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["worker", *arguments])
        worker.main()
        return became

    return run


def test_what_is_not_ours_goes_to_celery(run):
    ((command, _),) = run("-I", "my.module", "--loglevel", "DEBUG")
    assert command[-4:] == ["-I", "my.module", "--loglevel", "DEBUG"]
    assert command[command.index("-P") + 1] == "threads"


def test_a_batch_worker_consumes_the_queues_of_its_models_in_a_process_of_its_own(run, monkeypatch):
    monkeypatch.setenv("ASR_WORKER_NAME", "night-0")
    monkeypatch.setenv("ASR_BATCH_MODELS", "english, malay")
    nice, (command, environment) = run("--role", "batch", "-I", "my.module")
    assert command[command.index("-Q") + 1] == "asr.batch,asr.batch.english,asr.batch.malay"
    assert command[command.index("-P") + 1] == "processes"
    assert command[command.index("-n") + 1] == "batch@night-0"
    assert command[-2:] == ["-I", "my.module"]
    assert environment["ASR_WORKER_ROLE"] == "batch"
    assert nice == 10


def test_a_model_that_is_not_in_the_catalogue_is_said_to_be_so(run, monkeypatch):
    monkeypatch.setenv("ASR_BATCH_MODELS", "latin")
    with pytest.raises(SystemExit, match="latin"):
        run("--role", "batch")
