"""Draw the two state machines of asr_tasks/contracts/states.py into ARCHITECTURE.md."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from asr_tasks.contracts.states import SESSION_MOVES, WORKER_MOVES

State = TypeVar("State", bound=StrEnum)
DOCUMENT = Path(__file__).parent.parent / "ARCHITECTURE.md"
BEGIN, END = "<!-- states:begin -->", "<!-- states:end -->"


def diagram(title: str, moves: Mapping[State, frozenset[State]]) -> str:
    """A Mermaid state diagram of a table of moves."""
    first = next(iter(moves))
    lines = [f"**{title}**", "", "```mermaid", "stateDiagram-v2", f"    [*] --> {first}"]
    for state, targets in moves.items():
        lines += [f"    {state} --> {target}" for target in sorted(targets)]
        if not targets:
            lines.append(f"    {state} --> [*]")
    return "\n".join([*lines, "```"])


def drawn(text: str) -> str:
    """The document with its diagrams as the tables say."""
    head, rest = text.split(BEGIN)
    _, tail = rest.split(END)
    both = f"{diagram('Session', SESSION_MOVES)}\n\n{diagram('Worker', WORKER_MOVES)}"
    return f"{head}{BEGIN}\n{both}\n{END}{tail}"


def main() -> int:
    """Write; with ``--check`` only compare."""
    text = DOCUMENT.read_text("utf-8")
    if "--check" in sys.argv:
        return int(drawn(text) != text)
    DOCUMENT.write_text(drawn(text), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
