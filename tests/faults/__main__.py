"""`python -m tests.faults [WORD …]`: the fault matrix, as a table and as JSON."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.bench import machine
from tests.bench import report as bench
from tests.faults import report
from tests.faults.matrix import SESSIONS, Matrix, chosen
from tests.faults.round import Outcome
from tests.faults.world import world


def main() -> int:
    """Play, print, write; 1 if a target was missed."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("words", nargs="*", metavar="WORD", help="only cases with it in their name")
    parser.add_argument("--rounds", type=int, default=20, help="of each case  [20]")
    parser.add_argument("--sessions", type=int, default=SESSIONS, help="live in each round  [8]")
    parser.add_argument("--seed", type=int, default=1, help="of the moments  [1]")
    parser.add_argument("--list", action="store_true", help="name the cases")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="keep the processes' logs")
    parser.add_argument(
        "--out", type=Path, default=Path("bench-results"), metavar="FOLDER", help="for the figures"
    )
    options = parser.parse_args()
    try:
        cases = chosen(options.words)
    except KeyError as unknown:
        parser.error(f"no case has {unknown} in its name; --list names them")
    if options.list:
        for case in cases:
            print(f"{case.name:42} {(case.strike.__doc__ or '').strip()}")
        return 0
    about = machine.describe() | {"seed": options.seed, "sessions": options.sessions}
    rows: list[dict[str, Any]] = []
    path = options.out / "faults.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="asr-faults-") as name:
        folder = options.keep or Path(name)
        folder.mkdir(parents=True, exist_ok=True)
        with world(folder) as made:
            matrix = Matrix(made, options.seed, options.sessions)
            for case in cases:
                began = time.monotonic()
                rows.append(report.row(case, matrix.play(case, options.rounds, _tell(case.name))))
                missed = "; ".join(rows[-1]["missed"]) or "all targets met"
                print(f"{case.name}: {missed} ({time.monotonic() - began:.0f} s)", flush=True)
                # After each case: what was measured is kept, whatever happens to the rest.
                path.write_text(json.dumps({"machine": about, "rows": rows}, indent=2) + "\n")
    bench.show("faults", [report.shown(row) for row in rows])
    (options.out / "faults.md").write_text(report.markdown(about, rows), "utf-8")
    print(path)
    return int(any(row["missed"] for row in rows))


def _tell(name: str) -> Any:
    def tell(number: int, outcome: Outcome) -> None:
        trouble = [c for c in outcome.costs if not c.nothing]
        longest = max(outcome.gaps, default=0.0)
        print(
            f"{name}, round {number}: gap up to {longest * 1000:.0f} ms"
            + (f", resumed within {max(outcome.resumed) * 1000:.0f} ms" if outcome.resumed else "")
            + "".join(f"\n    {cost}" for cost in trouble)
            + "".join(f"\n    {wrong}" for wrong in outcome.wrong),
            flush=True,
        )

    return tell


if __name__ == "__main__":
    sys.exit(main())
