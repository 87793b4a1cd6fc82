"""Settings: what the processes share, and what they must not."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import celeryconfig
from allocator.settings import MonitorSettings, ServerSettings
from asr_tasks.batch.settings import BatchSettings
from asr_tasks.contracts.errors import UnknownModel
from asr_tasks.settings import Settings
from asr_tasks.worker.process import entry_of
from asr_tasks.worker.settings import WorkerSettings
from gateway.settings import GatewaySettings

PROCESSES = (GatewaySettings, ServerSettings, MonitorSettings, WorkerSettings, BatchSettings)


def test_a_variable_means_one_default_on_a_whole_machine() -> None:
    defaults: dict[str, set[object]] = {}
    for cls in PROCESSES:
        for name, field in cls.model_fields.items():
            defaults.setdefault(name, set()).add(field.default)
    assert not {name: values for name, values in defaults.items() if len(values) > 1}


def test_all_processes_find_a_port_of_their_own_on_one_machine() -> None:
    ports = [
        ServerSettings.model_fields["allocator_http"].default,
        MonitorSettings.model_fields["monitor_http"].default,
        WorkerSettings.model_fields["worker_http"].default,
        f"0.0.0.0:{GatewaySettings.model_fields['port'].default}",
    ]
    assert len(set(ports)) == len(ports)


def test_a_task_s_result_stays_as_long_as_the_session_s() -> None:
    assert celeryconfig.servers(Settings(result_expires=60))["result_expires"] == 60


def test_a_worker_of_an_unknown_model_says_which_there_are() -> None:
    with pytest.raises(UnknownModel, match="there are: english"):
        entry_of(WorkerSettings(model="martian"))


STARTS = {
    "gateway": ["-m", "gateway"],
    "server": ["-m", "allocator", "server"],
    "monitor": ["-m", "allocator", "monitor"],
    "worker": ["-m", "asr_tasks.worker"],
    "up": ["-c", "from asr_cli.main import main; main()", "up", "--port", "0"],
}


def refused(name: str, **environment: str) -> list[str]:
    """What it says when it does not start."""
    ended = subprocess.run(
        [sys.executable, *STARTS[name]],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 2, ended.stderr
    return [line for line in ended.stderr.splitlines() if "[info" not in line]


@pytest.mark.parametrize("name", STARTS)
def test_bad_settings_are_said_in_a_line_each(name: str) -> None:
    first, second = refused(name, ASR_LOG_JSON="perhaps", ASR_RESULT_EXPIRES="0")
    assert first.startswith("ASR_LOG_JSON=perhaps: input should be a valid boolean")
    assert second == "ASR_RESULT_EXPIRES=0: input should be greater than or equal to 1"


@pytest.mark.parametrize("name", ["gateway", "server", "worker"])
def test_a_bad_catalogue_is_said_in_a_line(name: str, tmp_path: Path) -> None:
    file = tmp_path / "catalogue.toml"
    file.write_text("[models.a]\nmodel = 'm.nemo'\nslotz = 3\n", "utf-8")
    assert refused(name, ASR_CATALOGUE=str(file)) == [f"{file}: models.a: unknown key 'slotz'"]
