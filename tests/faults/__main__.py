"""`python -m tests.faults [WORD …]`: the fault matrix, as a table and as JSON.

Every round is written to FOLDER/faults.jsonl when it is over; the same command again plays only
what is missing there.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.bench import machine
from tests.bench import report as bench
from tests.faults import report
from tests.faults.case import Case
from tests.faults.matrix import SESSIONS, chosen
from tests.faults.plan import Phase, planned
from tests.faults.progress import Progress
from tests.faults.record import Options, Record
from tests.faults.worlds import Worlds, WorldsBreak

INTERRUPTED = 130


def main() -> int:
    """Play, print, write; 1 if a target was missed."""
    made = parser("python -m tests.faults")
    options = made.parse_args()
    try:
        chosen(options.words)
    except KeyError as unknown:
        made.error(f"no case has {unknown} in its name; --list names them")
    return play(options)


def play(options: argparse.Namespace) -> int:
    """The same with options that were read."""
    cases = chosen(options.words)
    if options.list:
        for case in cases:
            print(f"{case.name:42} {(case.strike.__doc__ or '').strip()}")
        return 0
    # As Ctrl-C: every world is taken down.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        rows = _played(options, cases)
    except KeyboardInterrupt:
        print("interrupted; the same command goes on", file=sys.stderr)
        return INTERRUPTED
    except WorldsBreak as error:
        print(f"{error}; the same command goes on", file=sys.stderr)
        return 1
    bench.show("faults", [report.shown(row) for row in rows])
    print(options.out / "faults.json")
    return int(any(row["missed"] for row in rows))


def _played(options: argparse.Namespace, cases: Sequence[Case]) -> list[dict[str, Any]]:
    about = machine.describe() | {"worlds": options.worlds}
    comparable = Options(options.seed, options.sessions)
    record = Record(
        options.out / "faults.jsonl", comparable, about["commit"], afresh=options.afresh
    )
    about |= {"seed": options.seed, "sessions": options.sessions, "commits": record.commits}
    phases = planned(cases, options.rounds, record, options.worlds)
    known = sum(len(record.outcomes(case.name, options.rounds)) for case in cases)
    with tempfile.TemporaryDirectory(prefix="asr-faults-") as name:
        worlds = Worlds(options.keep or Path(name), comparable)
        _play(phases, worlds, record, Progress(phases, known))
    rows = [report.row(case, record.outcomes(case.name, options.rounds)) for case in cases]
    report.write(options.out, about, rows)
    return rows


def _play(phases: Sequence[Phase], worlds: Worlds, record: Record, progress: Progress) -> None:
    for phase in phases:
        progress.phase(phase)
        for played in worlds.play(phase):
            record.add(played)
            progress.tell(played)


def parser(program: str) -> argparse.ArgumentParser:
    """Reads the options of a program of that name."""
    parser = argparse.ArgumentParser(prog=program, description=__doc__)
    parser.add_argument("words", nargs="*", metavar="WORD", help="only cases with it in their name")
    parser.add_argument("--rounds", type=int, default=20, help="of each case  [20]")
    parser.add_argument("--sessions", type=int, default=SESSIONS, help="live in each round  [8]")
    parser.add_argument("--seed", type=int, default=1, help="of the moments  [1]")
    parser.add_argument(
        "--worlds", type=int, choices=(1, 2), default=2, help="side by side, but for some  [2]"
    )
    parser.add_argument("--list", action="store_true", help="name the cases")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="keep the processes' logs")
    parser.add_argument(
        "--out", type=Path, default=Path("bench-results"), metavar="FOLDER", help="for the figures"
    )
    parser.add_argument("--afresh", action="store_true", help="forget what FOLDER has")
    return parser


if __name__ == "__main__":
    sys.exit(main())
