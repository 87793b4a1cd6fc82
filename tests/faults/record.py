"""What was played, a line of JSON for each round: an interrupted matrix goes on where it was."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.faults.case import CASES
from tests.faults.oracle import Cost
from tests.faults.round import Outcome


@dataclass(frozen=True, slots=True)
class Options:
    """What makes rounds comparable: only those with the same belong into one report."""

    seed: int
    sessions: int


@dataclass(frozen=True, slots=True)
class Played:
    """One round; ``seconds`` with what it waited for before."""

    case: str
    number: int
    seconds: float
    outcome: Outcome


class Record:
    """The file, and what stands in it.

    Attributes:
        played: rounds of these options, in the order they were played.
        commits: of the code that played them.
    """

    def __init__(self, path: Path, options: Options, commit: str, *, afresh: bool = False) -> None:
        self._path = path
        self._same = dataclasses.asdict(options)
        self._commit = commit
        self.played: list[Played] = []
        self.commits: list[str] = []
        path.parent.mkdir(parents=True, exist_ok=True)
        if afresh:
            path.unlink(missing_ok=True)
        for line in path.read_text("utf-8").splitlines() if path.exists() else ():
            self._take(line)

    def add(self, played: Played) -> None:
        """Write it down at once."""
        entry = {"commit": self._commit, "options": self._same, **dataclasses.asdict(played)}
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")
        self._count(played, self._commit)

    def done(self, case: str) -> set[int]:
        """The rounds of a case that need not be played again."""
        return {p.number for p in self.played if p.case == case and not p.outcome.not_played}

    def outcomes(self, case: str, rounds: int) -> list[Outcome]:
        """Of the first rounds of a case, in their order."""
        latest = {p.number: p.outcome for p in self.played if p.case == case and p.number < rounds}
        return [latest[number] for number in sorted(latest)]

    def _take(self, line: str) -> None:
        try:
            entry = json.loads(line)
        except ValueError:  # it was being written when the machine stopped
            return
        if entry.pop("options") == self._same and entry["case"] in CASES:
            commit = entry.pop("commit")
            self._count(Played(**{**entry, "outcome": _outcome(entry["outcome"])}), commit)

    def _count(self, played: Played, commit: str) -> None:
        self.played.append(played)
        if commit not in self.commits:
            self.commits.append(commit)


def _outcome(raw: dict[str, Any]) -> Outcome:
    return Outcome(**{**raw, "costs": [Cost(**cost) for cost in raw["costs"]]})
