"""What the documents name is there: files, make targets, settings, metrics, error codes."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

import allocator.metrics
import asr_tasks.recognizers.metrics
import asr_tasks.transport.metrics
from allocator.settings import MonitorSettings, ServerSettings
from asr_tasks.batch.settings import BatchSettings
from asr_tasks.contracts.errors import STATUS
from asr_tasks.worker.settings import WorkerSettings
from gateway.metrics import Metrics
from gateway.settings import GatewaySettings

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted(
    [
        *ROOT.glob("*.md"),
        *ROOT.glob("docs/*.md"),
        *ROOT.glob("k8s/*.md"),
        *ROOT.glob("models/*/*.md"),
    ]
)
NO_SETTING = {
    "ASR_SECRETS_DIR",
    "ASR_TEST_RABBITMQ_IMAGE",
    "ASR_TEST_REDIS_IMAGE",
}
INSIDE = {"refused", "stale_lease"}
"""Codes that no client is ever told."""
OF_HTTP = {"bad_source", "source_unavailable", "unknown_job", "not_authorised", "no_transcript"}
"""Codes that only the HTTP API and batch jobs have; docs/http.md explains them."""

each_document = pytest.mark.parametrize(
    "path", DOCUMENTS, ids=[p.relative_to(ROOT).as_posix() for p in DOCUMENTS]
)


@each_document
def test_links_lead_somewhere(path: Path) -> None:
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", path.read_text("utf-8"))
    lost = {link for link in links if not (path.parent / link).exists()}
    assert not lost


@each_document
def test_files_that_are_named_exist(path: Path) -> None:
    named = re.findall(
        r"`((?:asr_tasks|asr_cli|gateway|allocator|tests|scripts|docs|proto|models)/[\w./*]+)`",
        path.read_text("utf-8"),
    )
    lost = {name for name in named if not list(ROOT.glob(name.rstrip("/")))}
    assert not lost


@each_document
def test_make_targets_that_are_named_exist(path: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"(?:`|^)make ([a-z-]+)", path.read_text("utf-8"), re.MULTILINE))
    assert named <= targets


@each_document
def test_variables_that_are_named_are_settings(path: Path) -> None:
    classes = (GatewaySettings, ServerSettings, MonitorSettings, WorkerSettings, BatchSettings)
    settings = {f"ASR_{name.upper()}" for cls in classes for name in cls.model_fields}
    named = set(re.findall(r"\bASR_[A-Z_]*[A-Z]\b", path.read_text("utf-8")))
    assert named <= settings | NO_SETTING


@each_document
def test_examples_in_python_are_python(path: Path) -> None:
    for example in re.findall(r"```python\n(.*?)```", path.read_text("utf-8"), re.DOTALL):
        compile(example, str(path), "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


def test_the_runbook_has_every_metric_and_no_other() -> None:
    text = (ROOT / "docs" / "runbook.md").read_text("utf-8")
    named = set(re.findall(r"`(asr_[a-z_]+)(?:\{[a-z, ]+\})?`", text)) - {"asr_tasks"}
    assert named == set(_metrics())


def _metrics() -> Iterator[str]:
    """Names as they are scraped."""
    registry = CollectorRegistry()
    Metrics(registry)
    found = list(registry.collect())
    for module in (allocator.metrics, asr_tasks.recognizers.metrics, asr_tasks.transport.metrics):
        for value in vars(module).values():
            if hasattr(value, "describe") and not isinstance(value, type):
                found += value.describe()
    for metric in found:
        yield f"{metric.name}_total" if metric.type == "counter" else metric.name


@pytest.mark.parametrize("name", ["protocol", "runbook"])
def test_every_error_code_is_explained(name: str) -> None:
    text = (ROOT / "docs" / f"{name}.md").read_text("utf-8")
    rows = "\n".join(line for line in text.splitlines() if line.startswith("|"))
    elsewhere = INSIDE | (OF_HTTP if name == "protocol" else set())
    assert {code for code in STATUS if f"`{code}`" not in rows} <= elsewhere


def test_close_codes_are_those_of_the_errors() -> None:
    text = (ROOT / "docs" / "protocol.md").read_text("utf-8")
    table = text.partition("## Close codes")[2].partition("\n## ")[0]
    said = {
        code: int(close)
        for close, codes in re.findall(r"^\| (\d{4}) \| ([^|]+) \|", table, re.MULTILINE)
        for code in re.findall(r"`([a-z_]+)`", codes)
    }
    assert said == {code: s.websocket for code, s in STATUS.items() if code not in INSIDE | OF_HTTP}
