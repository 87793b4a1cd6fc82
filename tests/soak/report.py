"""What was found, as a table for people and as JSON with every sample for machines."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.bench.report import show
from tests.soak.aftermath import Check
from tests.soak.soak import Soak
from tests.soak.verdict import Verdict, judge


@dataclass(slots=True)
class Report:
    """A soak, judged."""

    soak: Soak
    machine: Mapping[str, Any]
    log_errors: Mapping[str, Mapping[str, int]]
    verdicts: list[Verdict] = field(init=False)
    checks: list[Check] = field(init=False)

    def __post_init__(self) -> None:
        soak = self.soak
        assert soak.churn is not None
        self.verdicts = judge(
            soak.sampler.samples,
            soak.churn,
            soak.options.shortest_series,
            soak.restarts.ready_since(),
        )
        self.checks = [*soak.checks, *_of_the_whole(soak, self.verdicts)]

    @property
    def good(self) -> bool:
        """Whether everything that was judged is flat, and every check holds."""
        return all(v.flat for v in self.verdicts) and all(c.good for c in self.checks)

    def printable(self) -> dict[str, Any]:
        """Everything."""
        soak = self.soak
        return {
            "good": self.good,
            "interrupted": soak.interrupted,
            "machine": self.machine,
            "options": soak.options.printable(),
            "churn_seconds": soak.churn,
            "checks": [asdict(check) for check in self.checks],
            "verdicts": [verdict.printable() for verdict in self.verdicts],
            "calls": soak.crowd.printable(),
            "restarts": soak.restarts.printable(),
            "log_errors": self.log_errors,
            "samples_missed": soak.sampler.missed,
            "samples": soak.sampler.samples.printable(),
        }

    def write(self, path: Path) -> None:
        """As JSON; floats are short already."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(self.printable(), separators=(",", ":")) + "\n")

    def show(self) -> None:
        """Print it."""
        console = Console(width=150)
        show(
            "growth, from the first half to the last quarter of each series",
            [_row(v) for v in self.verdicts],
        )
        table = Table("check", "", "detail", title="checks", title_justify="left")
        for check in self.checks:
            mark = "[green]good" if check.good else "[red]BAD"
            table.add_row(check.what, mark, check.detail[:2000])
        console.print(table)
        for name, lines in self.log_errors.items():
            for line, times in lines.items():
                console.print(f"log of {name}: {times} x {line[:200]}", style="dim", markup=False)
        how = "what was measured until it was ended" if self.soak.interrupted else "the whole soak"
        console.print(f"{how}: {'flat and right' if self.good else 'NOT flat, or not right'}")


def _of_the_whole(soak: Soak, verdicts: list[Verdict]) -> list[Check]:
    crowd, restarts = soak.crowd, soak.restarts.done
    spoilt = [f"{r.name} {r.how}: code {r.code} {r.trouble}" for r in restarts if not r.clean]
    calls = f"{crowd.ended.total()} ended well, {crowd.disturbed.total()} were disturbed"
    wrong = [f"{failure.kind}: {failure.what}" for failure in crowd.failures]
    judged = len({verdict.series for verdict in verdicts})
    return [
        Check("every call ended as it should, word for word", not crowd.failed, calls),
        *(Check("a call", False, what) for what in wrong),
        Check("whoever was stopped left cleanly and came back", not spoilt, "; ".join(spoilt)),
        Check("what is left was looked for", bool(soak.checks)),
        Check("nearly every sample was taken", soak.sampler.missed < 5, str(soak.sampler.missed)),
        Check("something was long enough to be judged", bool(judged), f"{judged} series"),
    ]


def _row(verdict: Verdict) -> dict[str, Any]:
    return {
        "what": f"{verdict.series}: {verdict.figure}",
        "before": verdict.before,
        "last": verdict.last,
        "growth": verdict.growth,
        "allowed": verdict.allowed,
        "slope an hour": verdict.per_hour,
        "flat": "yes" if verdict.flat else "NO",
    }
