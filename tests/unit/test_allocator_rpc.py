"""The stubs are those of the proto, and the seed's part of it is as it was."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

from asr_tasks.contracts import names
from asr_tasks.contracts.errors import STATUS
from asr_tasks.rpc import worker_manager_pb2 as pb
from asr_tasks.state.scripts import source

ROOT = Path(__file__).resolve().parents[2]


def test_the_stubs_are_not_stale(tmp_path):
    pytest.importorskip("grpc_tools")
    spec = importlib.util.spec_from_file_location("generate", ROOT / "proto" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    generate = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generate)
    generate.generate(tmp_path)
    fresh = sorted((tmp_path / generate.PACKAGE).iterdir())
    assert len(fresh) == 4
    for file in fresh:
        kept = (ROOT / generate.PACKAGE / file.name).read_text("utf-8")
        # The version of the generator may differ between two machines; the contents may not.
        assert _without_version(kept) == _without_version(file.read_text("utf-8")), (
            f"{file.name} is stale: run `make proto`"
        )


def _without_version(text: str) -> str:
    return re.sub(r"\d+\.\d+\.\d+|\b\d+,\s+\d+,\s+\d+,\s+''", "", text)


def test_the_seeds_fields_keep_their_numbers():
    kept = {
        pb.AllocateWorkerRequest: {"model_name": 1, "task_queue": 2},
        pb.AllocateWorkerResponse: {"success": 1, "worker_name": 2, "message": 3},
        pb.SendHeartbeatRequest: {"worker_name": 1, "model_name": 2, "final": 3},
        pb.SendHeartbeatResponse: {"success": 1, "message": 2},
    }
    for message, fields in kept.items():
        for name, number in fields.items():
            assert message.DESCRIPTOR.fields_by_name[name].number == number


def test_the_scripts_use_the_keys_of_the_contracts():
    text = source("allocator", "fail_over")
    cases = {
        "session_key": names.session_key,
        "segments_key": names.segments_key,
        "snapshot_key": names.snapshot_key,
        "result_key": names.result_key,
        "worker_key": names.worker_key,
        "worker_sessions_key": names.worker_sessions_key,
        "free_key": names.free_key,
        "waiting_key": names.waiting_key,
    }
    for name, key in cases.items():
        match = re.search(rf"function {name}\(\w+\) return (.+) end", text)
        assert match is not None
        parts = [p.strip() for p in match[1].split("..")]
        lua = "".join("X" if not p.startswith("'") else p.strip("'") for p in parts)
        assert lua == key("X")
    everything = "".join(
        (ROOT / "allocator" / "lua" / f.name).read_text("utf-8")
        for f in (ROOT / "allocator" / "lua").iterdir()
    )
    for plain in (names.SESSIONS_KEY, names.WORKERS_KEY, names.MODELS_KEY, names.ARRIVALS_KEY,
                  names.SUSPECTS_CHANNEL, names.WAITING_CHANNEL):  # fmt: skip
        assert f"'{plain}'" in everything


def test_every_status_is_one_of_grpcs():
    import grpc

    for status in STATUS.values():
        assert grpc.StatusCode[status.grpc]
