"""docs/figures.md has a section for each result that is kept, and none for one that is not."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.faults.report import TITLES

ROOT = Path(__file__).resolve().parents[2]
MACHINE = {
    "commit": "abc1234",
    "processor": "a processor",
    "cores": 2,
    "memory_gib": 4,
    "busy_before_percent": 0.5,
    "python": "3.11",
    "rabbitmq": "4",
    "redis": "7",
    "libraries": {"torch": "2"},
}


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("figures", ROOT / "scripts/figures_reference.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def keep(docs: Path, name: str, **result: Any) -> None:
    path = docs / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"machine": MACHINE, **result}), "utf-8")


def of_calls(case: str, rounds: int, **more: Any) -> dict[str, Any]:
    counts = dict.fromkeys(TITLES, 0) | {"gap_max_ms": 812, "resumes_max_ms": None}
    told = {"case": case, "rounds": rounds, "missed": [], "not_played": "", "promised": {}}
    return counts | told | more


def test_a_result_that_is_not_kept_has_no_section(script: ModuleType, tmp_path: Path) -> None:
    assert script.document(tmp_path) == script.HEAD


def test_calls_under_fault_have_a_row_each(script: ModuleType, tmp_path: Path) -> None:
    rows = [
        of_calls("worker killed", 20),
        of_calls("Redis hangs", 20, missed=["1 differing", "gap_max_ms 3 > 2"]),
        of_calls("disk full", 0, not_played="needs root"),
    ]
    keep(tmp_path, "faults/faults.json", rows=rows)
    text = script.document(tmp_path)
    assert "## Calls under fault" in text
    assert "| " + " | ".join(TITLES.values()) + " |" in text
    assert "| worker killed | 20 | 0 | 0 | 0 | 0 | 0 | 0 | 812 |  |  |" in text
    assert "| 1 differing; gap_max_ms 3 > 2 |" in text
    assert "| not played, because: needs root |" in text
    assert "Commit abc1234; a processor" in text


def test_recordings_under_fault_have_a_row_each(script: ModuleType, tmp_path: Path) -> None:
    row = {"what": "batch worker killed", "rounds": 20, "jobs": 80, "lost": 0, "missed": ""}
    keep(tmp_path, "faults/batch-faults.json", rows=[row], rounds={})
    text = script.document(tmp_path)
    assert "## Recordings under fault" in text
    assert "| batch worker killed | 20 | 80 | 0 |  |" in text


def test_of_a_soak_the_series_that_grew_most_are_shown(script: ModuleType, tmp_path: Path) -> None:
    def verdict(series: str, growth: float, *, flat: bool = True) -> dict[str, Any]:
        told = {"series": series, "figure": "memory MiB", "flat": flat, "growth": growth}
        return told | {"before": 100.0, "last": 100.0 + growth, "allowed": 5.0}

    checks = [{"what": "no key is left", "good": True, "detail": ""}]
    verdicts = [verdict("gateway (1)", 0.5), verdict("worker (2)", 7.25, flat=False)]
    keep(tmp_path, "soak/soak.json", checks=checks, verdicts=verdicts, samples={})
    text = script.document(tmp_path)
    assert "| no key is left | yes |" in text
    assert "| memory MiB: worker (2) | **no** | 2 | 100.0 | 107.25 | 7.25 | 5.0 |" in text
    assert "gateway (1)" not in text


@pytest.mark.parametrize("part", ["throughput", "memory", "live"])
def test_each_part_of_the_benchmark_of_recordings_has_a_section(
    script: ModuleType, tmp_path: Path, part: str
) -> None:
    keep(tmp_path, f"bench/batch-{part}.json", rows=[{"what": "jobs", "x real time": 1.5}])
    text = script.document(tmp_path)
    assert text.count("\n## Recordings") == 1
    assert "| jobs | 1.5 |" in text
