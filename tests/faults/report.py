"""Rounds of a case as one row: what was lost, and how long it took."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

from tests.faults.case import Case
from tests.faults.round import Outcome

TITLES = {
    "case": "what",
    "rounds": "rounds",
    "sessions": "sessions",
    "chunks_lost": "chunks lost",
    "finals_lost": "finals lost",
    "finals_doubled": "finals doubled",
    "differing": "differing",
    "gap_median_ms": "gap p50 ms",
    "gap_max_ms": "gap max ms",
    "resumes_max_ms": "after return ms",
    "missed": "missed",
}


def row(case: Case, outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """The figures of a case, and which of its targets were missed."""
    costs = [cost for outcome in outcomes for cost in outcome.costs]
    gaps = [gap for outcome in outcomes for gap in outcome.gaps]
    resumed = [seconds for outcome in outcomes for seconds in outcome.resumed]
    wrong = [said for outcome in outcomes for said in outcome.wrong]
    errors = [cost.error for cost in costs if cost.error]
    made: dict[str, Any] = {
        "case": case.name,
        "rounds": len(outcomes),
        "sessions": len(costs),
        "chunks_lost": sum(cost.chunks for cost in costs),
        "finals_lost": sum(cost.lost for cost in costs),
        "finals_doubled": sum(cost.doubled for cost in costs),
        "differing": sum(cost.differs for cost in costs),
        "gap_median_ms": _ms(statistics.median(gaps)) if gaps else None,
        "gap_max_ms": _ms(max(gaps)) if gaps else None,
        "resumes_max_ms": _ms(max(resumed)) if resumed else None,
        "errors": sorted(set(errors)),
        "wrong": wrong,
        "promised": {
            "median_ms": None if case.median is None else _ms(case.median),
            "longest_ms": None if case.longest is None else _ms(case.longest),
            "resumes_ms": None if case.resumes is None else _ms(case.resumes),
        },
    }
    made["missed"] = missed(case, made)
    return made


def missed(case: Case, figures: dict[str, Any]) -> list[str]:
    """Which targets the figures miss."""
    named = {name: figures[name] for name in ("chunks_lost", "finals_lost", "finals_doubled")}
    said = [f"{count} {name}" for name, count in named.items() if count]
    if figures["differing"]:
        said.append(f"{figures['differing']} differing")
    said += figures["errors"] + figures["wrong"]
    for name, limit in (
        ("gap_median_ms", case.median),
        ("gap_max_ms", case.longest),
        ("resumes_max_ms", case.resumes),
    ):
        if limit is not None and (figures[name] or 0) > _ms(limit):
            said.append(f"{name} {figures[name]} > {_ms(limit)}")
    return said


def shown(figures: dict[str, Any]) -> dict[str, Any]:
    """For the table."""
    cells = {title: figures[name] for name, title in TITLES.items()}
    return {
        title: "-" if cell is None else "; ".join(cell)[:80] if isinstance(cell, list) else cell
        for title, cell in cells.items()
    }


def markdown(rows: Sequence[dict[str, Any]]) -> str:
    """A table for the documents."""
    head = "| " + " | ".join(TITLES.values()) + " |"
    rule = "| --- |" + " ---: |" * (len(TITLES) - 2) + " --- |"
    lines = [
        "| " + " | ".join(str(cell) or "none" for cell in shown(figures).values()) + " |"
        for figures in rows
    ]
    return "\n".join([head, rule, *lines]) + "\n"


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
