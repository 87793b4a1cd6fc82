"""What came out, as a table for people and as JSON for machines."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from itertools import groupby
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from allocator.simulation.comparison import Verdict, frontier, verdicts
from allocator.simulation.measures import Result
from allocator.simulation.scenarios import named

TITLES: Final = {
    "ours": "predictive",
    "seed": "seed's rule",
    "hpa": "HPA",
    "keda": "KEDA-style",
    "agones": "Agones-style",
}


def show(results: Sequence[Result], console: Console) -> None:
    """A table for each scenario: the other rules, and those of our settings that no other beats."""
    for name, group in groupby(results, key=lambda each: each.scenario):
        of_scenario = list(group)
        console.print(_table(name, of_scenario))
    for line in summary_lines(verdicts(results)):
        console.print(line)


def _table(name: str, results: Sequence[Result]) -> Table:
    calls = results[0].calls
    table = Table(title=f"{name}: {named(name).title} ({calls:,} calls)", title_justify="left")
    table.add_column("rule")
    table.add_column("setting")
    for heading in ("waited > 1 s", "p99 wait", "slot-hours", "interrupted", "handed over"):
        table.add_column(heading, justify="right")
    ours = [each for each in results if each.rule == "ours"]
    for each in [*frontier(ours), *(each for each in results if each.rule != "ours")]:
        table.add_row(
            TITLES[each.rule],
            each.variant,
            f"{each.waited:.2%}",
            f"{each.p99:.1f} s",
            f"{each.slot_hours:,.0f}",
            str(each.interruptions),
            str(each.hand_overs),
        )
    return table


def summary_lines(found: Iterable[Verdict]) -> list[str]:
    """For each other rule: how many of its settings one of ours is no worse than, in anything."""
    lines = []
    ordered = sorted(found, key=lambda verdict: list(TITLES).index(verdict.other.rule))
    for rule, group in groupby(ordered, key=lambda verdict: verdict.other.rule):
        of_rule = list(group)
        left = [verdict.other for verdict in of_rule if not verdict.ours]
        line = f"{TITLES[rule]}: {len(of_rule) - len(left)} of {len(of_rule)} settings are matched"
        if left:
            line += "; not " + ", ".join(f"{each.scenario} {each.variant}" for each in left)
        lines.append(line)
    return lines


def document(results: Sequence[Result], about: dict[str, object]) -> dict[str, Any]:
    """Everything, for JSON."""
    return {
        "about": about,
        "results": [_rounded(each) for each in results],
        "matched": [
            {
                "scenario": verdict.other.scenario,
                "rule": verdict.other.rule,
                "variant": verdict.other.variant,
                "by": len(verdict.ours),
                "best": verdict.best.variant if verdict.best else None,
            }
            for verdict in verdicts(results)
        ],
    }


def write(results: Sequence[Result], about: dict[str, object], path: Path) -> None:
    """One result a line, so that a change shows as one."""
    whole = document(results, about)
    parts = [
        f'"{key}": ' + (_lines(value) if isinstance(value, list) else json.dumps(value))
        for key, value in whole.items()
    ]
    path.write_text("{\n" + ",\n".join(parts) + "\n}\n")


def _lines(rows: Iterable[Any]) -> str:
    return "[\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]"


def _rounded(result: Result) -> dict[str, Any]:
    return {
        key: float(f"{value:.6g}") if isinstance(value, float) else value
        for key, value in asdict(result).items()
    }
