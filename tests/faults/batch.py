"""`python -m tests.faults.batch [WORD …]`: jobs under fault, as a table and as JSON."""

from __future__ import annotations

import argparse
import dataclasses
import json
import signal
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.bench import machine
from tests.bench import report as bench
from tests.faults.batch_cases import CASES, Case
from tests.faults.batch_round import Outcome, Rounds
from tests.faults.batch_world import MINUTES, SHORT_MINUTES, WORKERS, world

HEAD = """# Recordings under fault

Written by `python -m tests.faults.batch`. {workers} batch workers, RabbitMQ, Redis, all real
processes; in each round {recordings} recordings of {minutes} minutes together are transcribed, or
{short} short ones, each of which is one task; at a random moment something is struck. The model
says a checksum of every second, so that a sample which is lost, doubled or displaced makes
another text.

- **lost**: jobs that did not end, or ended otherwise than they must.
- **differing**: transcripts that are not, to the byte, those of the undisturbed run.
- **repeated**: pieces heard again, the most in a round; **may be**: those in flight (and those that
  Redis has forgotten).

Measured on {processor}, {cores} cores; commit {commit}; RabbitMQ {rabbitmq}, Redis {redis};
seed {seed}.

"""


def main() -> int:
    """Play, print, write; 1 if a promise was not kept."""
    parser = _parser()
    options = parser.parse_args()
    if not any(_wanted(name, options.words) for name in CASES):
        parser.error("no case has such a word in its name; --list names them")
    return play(options)


def play(options: argparse.Namespace) -> int:
    """The same with options that were read."""
    cases = [case for name, case in CASES.items() if _wanted(name, options.words)]
    if options.list:
        for case in cases:
            print(f"{case.name:46} {' '.join((case.strike.__doc__ or '').split())}")
        return 0
    # As Ctrl-C: what was started is taken down.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    about = machine.describe() | {"seed": options.seed}
    played: dict[str, list[Outcome]] = {case.name: [] for case in cases}
    with (
        tempfile.TemporaryDirectory(prefix="asr-batch-faults-") as name,
        world((options.keep or Path(name)) / "recordings") as made,
    ):
        rounds = Rounds(made, options.seed)
        for number in range(options.rounds):
            for case in cases:
                played[case.name].append(_told(case, number, rounds))
    rows = [_row(CASES[name], outcomes) for name, outcomes in played.items()]
    bench.show("recordings under fault", rows)
    print(_write(options.out, about, rows, played))
    return int(any(row["missed"] for row in rows))


def _wanted(name: str, words: Sequence[str]) -> bool:
    return not words or any(word in name for word in words)


def _told(case: Case, number: int, rounds: Rounds) -> Outcome:
    began = time.monotonic()
    outcome = rounds.play(case, number)
    said = outcome.not_played or "; ".join(outcome.missed) or "kept"
    print(f"{number:3} {case.name}: {said} ({time.monotonic() - began:.0f} s)", flush=True)
    return outcome


def _row(case: Case, outcomes: Sequence[Outcome]) -> dict[str, Any]:
    played = [outcome for outcome in outcomes if not outcome.not_played]
    return {
        "what": case.name,
        "rounds": len(played),
        "jobs": sum(outcome.jobs for outcome in played),
        "lost": sum(outcome.lost for outcome in played),
        "differing": sum(outcome.differing for outcome in played),
        "repeated": max((outcome.repeated for outcome in played), default=0),
        "may be": max((outcome.allowed for outcome in played), default=0),
        "longest s": max((outcome.seconds for outcome in played), default=0.0),
        "missed": "; ".join(dict.fromkeys(said for outcome in played for said in outcome.missed)),
    }


def _write(
    folder: Path,
    about: Mapping[str, Any],
    rows: Sequence[Mapping[str, Any]],
    played: Mapping[str, Sequence[Outcome]],
) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "batch-faults.json"
    rounds = {name: [dataclasses.asdict(one) for one in found] for name, found in played.items()}
    whole = {"machine": about, "rows": rows, "rounds": rounds}
    path.write_text(json.dumps(whole, indent=2) + "\n", "utf-8")
    facts = {
        **about, "workers": len(WORKERS), "recordings": len(MINUTES), "minutes": sum(MINUTES),
        "short": len(SHORT_MINUTES),
    }  # fmt: skip
    lines = ["| " + " | ".join(rows[0]) + " |", "| --- |" + " ---: |" * 7 + " --- |"]
    lines += ["| " + " | ".join(str(cell) for cell in row.values()) + " |" for row in rows]
    lines += ["", "| case | what happens |", "| --- | --- |"]
    lines += [
        f"| {name} | {' '.join((CASES[name].strike.__doc__ or '').split())} |" for name in played
    ]
    (folder / "batch-faults.md").write_text(HEAD.format(**facts) + "\n".join(lines) + "\n", "utf-8")
    return path


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.batch", description=__doc__)
    parser.add_argument("words", nargs="*", metavar="WORD", help="only cases with it in their name")
    parser.add_argument("--rounds", type=int, default=20, help="of each case  [20]")
    parser.add_argument("--seed", type=int, default=1, help="of the moments  [1]")
    parser.add_argument("--list", action="store_true", help="name the cases")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="keep the processes' logs")
    parser.add_argument(
        "--out", type=Path, default=Path("bench-results"), metavar="FOLDER", help="for the figures"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
