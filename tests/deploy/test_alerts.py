"""Alerts rest on metrics that exist, with labels they have, and each is explained."""

from __future__ import annotations

import re

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.metrics import MetricWrapperBase

import allocator.metrics
import asr_tasks.recognizers.metrics
import asr_tasks.transport.metrics
from gateway.metrics import Metrics
from tests.deploy.manifests import COMPONENT, ROOT, Manifests, labels, ports_of, selects

FOREIGN = {
    "kube_statefulset_replicas",
    "kube_statefulset_status_replicas_ready",
    "kube_horizontalpodautoscaler_status_current_replicas",
    "kube_horizontalpodautoscaler_spec_max_replicas",
    "up",
}
"""Of kube-state-metrics and Prometheus itself."""
FROM_PROMETHEUS = {"pod", "namespace", "le", "statefulset", "horizontalpodautoscaler", "asr_model"}


def _ours() -> dict[str, set[str]]:
    """Every series, as scraped, and its labels."""
    gateway = vars(Metrics(CollectorRegistry())).values()
    found: dict[str, set[str]] = {}
    modules = (allocator.metrics, asr_tasks.recognizers.metrics, asr_tasks.transport.metrics)
    for one in [*gateway, *(v for module in modules for v in vars(module).values())]:
        if not isinstance(one, MetricWrapperBase):
            continue
        [metric] = one.describe()
        endings = {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"]}
        for ending in endings.get(metric.type, [""]):
            found[metric.name + ending] = set(one._labelnames)
    return found


@pytest.fixture(scope="module")
def rules(eks: Manifests) -> list[dict[str, object]]:
    [document] = eks.of("PrometheusRule")
    return [rule for group in document["spec"]["groups"] for rule in group["rules"]]


def test_expressions_name_metrics_that_exist(rules: list[dict[str, object]]) -> None:
    ours = _ours()
    for rule in rules:
        expression = str(rule["expr"])
        bare = re.sub(r'"[^"]*"', '""', expression)
        named = set(re.findall(r"\b(asr_[a-z_]+|kube_[a-z_]+|up)\b(?!\s*[=!]~?\s*\")", bare))
        named -= FROM_PROMETHEUS
        assert named, rule["alert"]
        assert named <= set(ours) | FOREIGN, rule["alert"]


def test_expressions_use_labels_that_their_metrics_have(rules: list[dict[str, object]]) -> None:
    ours = _ours()
    for rule in rules:
        expression = str(rule["expr"])
        for metric, matchers in re.findall(r"\b(asr_[a-z_]+)\{([^}]*)\}", expression):
            used = set(re.findall(r"(\w+)\s*[=!]~?\s*\"", matchers))
            assert used <= ours[metric], rule["alert"]
        known = FROM_PROMETHEUS.union(
            *(found for name, found in ours.items() if re.search(rf"\b{name}\b", expression))
        )
        for grouped in re.findall(r"\b(?:by|on)\s*\(([^)]*)\)", expression):
            assert {part.strip() for part in grouped.split(",")} <= known, rule["alert"]
        notes = str(rule["annotations"])
        assert set(re.findall(r"\$labels\.(\w+)", notes)) <= known, rule["alert"]


def test_values_that_alerts_wait_for_can_be(rules: list[dict[str, object]]) -> None:
    """Label values in expressions are words of the code."""
    code = "\n".join(
        path.read_text("utf-8")
        for folder in ("asr_tasks", "gateway", "allocator")
        for path in sorted((ROOT / folder).rglob("*.py"))
    )
    for rule in rules:
        for metric, matchers in re.findall(r"\b(asr_[a-z_]+)\{([^}]*)\}", str(rule["expr"])):
            for values in re.findall(r'=~?\s*"([^"]*)"', matchers):
                for value in values.split("|"):
                    assert f'"{value}"' in code, (rule["alert"], metric, value)


def test_every_alert_is_explained_and_no_other(rules: list[dict[str, object]]) -> None:
    text = (ROOT / "docs" / "alerts.md").read_text("utf-8")
    assert re.findall(r"^\| `(Asr\w+)` \|", text, re.MULTILINE) == [r["alert"] for r in rules]
    assert {r["labels"]["severity"] for r in rules} == {"page", "ticket"}  # type: ignore[index]


def test_everything_that_has_metrics_is_scraped(eks: Manifests) -> None:
    monitor = eks.get("PodMonitor", "asr")["spec"]
    [endpoint] = monitor["podMetricsEndpoints"]
    for component, one in eks.ours():
        scraped = selects(monitor["selector"], labels(one))
        assert scraped == (component not in ("batch", "flower")), component
        if scraped:
            assert endpoint["port"] in ports_of(one)
    scrapers = eks.get("NetworkPolicy", "metrics")["spec"]["podSelector"]
    for component in ("allocator", "monitor", "worker"):
        assert selects(scrapers, {COMPONENT: component})
