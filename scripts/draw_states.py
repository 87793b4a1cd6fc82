"""Draw the two state machines of asr_tasks/contracts/states.py into ARCHITECTURE.md."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # this tree, not one that is installed

from asr_tasks.contracts.states import SESSION_TRANSITIONS, WORKER_TRANSITIONS, Move, State

DOCUMENT = Path(__file__).resolve().parents[1] / "ARCHITECTURE.md"
BEGIN, END = "<!-- states:begin -->", "<!-- states:end -->"


def diagram(title: str, transitions: Sequence[Move[State]]) -> str:
    """A Mermaid state diagram of the transitions, and a table of who makes them."""
    states = type(transitions[0].old)
    old = {move.old for move in transitions}
    lines = [f"**{title}**", "", "```mermaid", "stateDiagram-v2"]
    lines.append(f"    [*] --> {next(iter(states))}")
    lines += [f"    {move.old} --> {move.new}: {move.script}" for move in transitions]
    lines += [f"    {state} --> [*]" for state in states if state not in old]
    lines += ["```", "", "| from | to | script | who, and when |", "| --- | --- | --- | --- |"]
    lines += [
        f"| {move.old} | {move.new} | {_code(move.script)} | {move.when} |" for move in transitions
    ]
    return "\n".join(lines)


def _code(scripts: str) -> str:
    return ", ".join(f"`{name}`" for name in scripts.split(", "))


def drawn(text: str) -> str:
    """The document with its diagrams as the tables say."""
    head, rest = text.split(BEGIN)
    _, tail = rest.split(END)
    both = f"{diagram('Session', SESSION_TRANSITIONS)}\n\n{diagram('Worker', WORKER_TRANSITIONS)}"
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
