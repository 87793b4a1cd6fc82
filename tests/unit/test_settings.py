"""Settings: what the processes share, and what they must not."""

from __future__ import annotations

import pytest

import celeryconfig
from allocator.settings import MonitorSettings, ServerSettings
from asr_tasks.contracts.errors import UnknownModel
from asr_tasks.settings import Settings
from asr_tasks.worker.process import entry_of
from asr_tasks.worker.settings import WorkerSettings
from gateway.settings import GatewaySettings

PROCESSES = (GatewaySettings, ServerSettings, MonitorSettings, WorkerSettings)


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
