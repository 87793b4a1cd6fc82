"""Rounds of a case as one row: what was lost, and how long it took."""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.faults.case import CASES, Case
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
    reasons = sorted({outcome.not_played for outcome in outcomes if outcome.not_played})
    outcomes = [outcome for outcome in outcomes if not outcome.not_played]
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
        "not_played": "; ".join(reasons),
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
    if figures["not_played"] and not figures["rounds"]:
        cells = dict.fromkeys(cells) | {
            TITLES["case"]: figures["case"],
            TITLES["missed"]: f"not played, because: {figures['not_played']}",
        }
    return {
        title: "-" if cell is None else "; ".join(cell)[:80] if isinstance(cell, list) else cell
        for title, cell in cells.items()
    }


def write(folder: Path, about: Mapping[str, Any], rows: Sequence[dict[str, Any]]) -> None:
    """As JSON and as a document."""
    path = folder / "faults.json"
    path.write_text(json.dumps({"machine": about, "rows": rows}, indent=2) + "\n", "utf-8")
    (folder / "faults.md").write_text(markdown(about, rows), "utf-8")


HEAD = """# The fault matrix

Written by `make faults`. Real processes on real servers: two gateways, two allocators, two
monitors, at least three workers with the demo model (chunks of 0.16 s), RabbitMQ, Redis. In each
round {sessions} people talk through the product's own client; at a random moment something is
struck; every transcript is then compared, word for word and time for time, with the same call
undisturbed.

- **chunks lost**: 0.1 s pieces of audio that were accepted and not transcribed.
- **finals lost, doubled**: of the undisturbed run's; sent again though the client had them.
- **differing**: sessions whose words, times or ending are not those of the undisturbed run.
- **gap**: how far the text was behind the undisturbed run's at the most after the fault, ms, over
  the sessions that could feel it.
- **after return**: the same, of results that were due after what had failed was there again.
- **missed**: promises that were not kept; that nothing is left behind in Redis and RabbitMQ is one.

Measured on {processor}, {cores} cores shared by everything above and the callers; {beside}; commit
{commits}; RabbitMQ {rabbitmq}, Redis {redis}; seed {seed}.

"""


def markdown(about: Mapping[str, Any], rows: Sequence[dict[str, Any]]) -> str:
    """The document."""
    lines = [
        "| " + " | ".join(TITLES.values()).replace("what", "case", 1) + " |",
        "| --- |" + " ---: |" * (len(TITLES) - 2) + " --- |",
    ]
    lines += ["| " + " | ".join(map(str, shown(row).values())) + " |" for row in rows]
    lines += ["", "| case | what happens | promised |", "| --- | --- | --- |"]
    for figures in rows:
        case = CASES[figures["case"]]
        lines.append(
            f"| {case.name} | {' '.join((case.strike.__doc__ or '').split())} | "
            f"{_promise(figures['promised'])} |"
        )
    facts = {**about, "commits": ", ".join(about["commits"]), "beside": _beside(about["worlds"])}
    return HEAD.format(**facts) + "\n".join(lines) + "\n"


def _beside(worlds: int) -> str:
    if worlds == 1:
        return "one case at a time"
    alone = ", ".join(case.name for case in CASES.values() if case.alone)
    return f"{worlds} cases at a time, each with a system of its own, but alone: {alone}"


def _promise(promised: Mapping[str, int | None]) -> str:
    said = {
        "median_ms": "gap median under {} ms",
        "longest_ms": "gap under {} ms",
        "resumes_ms": "within {} ms of its return",
    }
    kept = [said[name].format(limit) for name, limit in promised.items() if limit is not None]
    return "no word lost" + "".join(f"; {one}" for one in kept)


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
