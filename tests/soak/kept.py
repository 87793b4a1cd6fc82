"""`python -m tests.soak.kept soak.json`: judge a kept soak again, by the rules of today."""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.soak.options import Options
from tests.soak.samples import Samples, Table
from tests.soak.verdict import Verdict, judge


def samples_of(kept: Mapping[str, Any]) -> Samples:
    """What was measured, as it was before it was written."""
    tables = kept["samples"]
    samples = Samples(system=Table(tables["system"]), census=Table(tables["census"]))
    for columns in tables["processes"]:
        series = dict(columns)
        samples.processes[series.pop("name"), series.pop("pid")] = Table(series)
    return samples


def verdicts_of(kept: Mapping[str, Any]) -> list[Verdict]:
    """On every figure of it."""
    first, last = kept["churn_seconds"]
    ready = {
        (restart["name"], restart["pid"]): math.inf if restart["back"] is None else restart["back"]
        for restart in kept["restarts"]
    }
    shortest = Options(minutes=kept["options"]["minutes"]).shortest_series
    return judge(samples_of(kept), (first, last), shortest, ready)


def judged_again(kept: Mapping[str, Any]) -> dict[str, Any]:
    """The same soak with the verdicts of today; what was checked while it ran stands."""
    verdicts = verdicts_of(kept)
    good = all(v.flat for v in verdicts) and all(check["good"] for check in kept["checks"])
    return {**kept, "verdicts": [verdict.printable() for verdict in verdicts], "good": good}


def main() -> int:
    """Write it back; exit code 0 if nothing grew."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak.kept", description=__doc__)
    parser.add_argument("file", type=Path, help="as `make soak` wrote it")
    path = parser.parse_args().file
    kept = judged_again(json.loads(path.read_text("utf-8")))
    path.write_text(json.dumps(kept, separators=(",", ":")) + "\n", "utf-8")
    print(f"{len(kept['verdicts'])} figures: {'flat and right' if kept['good'] else 'NOT so'}")
    return 0 if kept["good"] else 1


if __name__ == "__main__":
    raise SystemExit(main())
