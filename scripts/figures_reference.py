"""Write docs/figures.md from the results kept in docs/: of `make bench`, `faults` and `soak`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

DOCS = Path(__file__).resolve().parents[1] / "docs"
DOCUMENT = DOCS / "figures.md"

HEAD = """\
# Figures

Written by `make docs` from the results kept in `docs/`. Each was made by a command of this
repository; each says on what machine, and at which commit.
"""
KEPT = {
    "faults/faults.md": "words lost, doubled or different under each kind of fault (`make faults`)",
    "soak/soak.png": "an hour of calls and restarts (`make soak`)",
    "soak/soak.json": "its samples and verdicts",
    "simulation/pareto.svg": "waits against cost of each scaling rule (`make simulate`)",
    "simulation/timeline.svg": "calls, and the slots that two rules paid for them",
    "simulation/interruptions.svg": "calls whose worker was removed under them",
    "simulation/results.json": "all figures of the simulated rules",
}
PARTS = {
    "latency": """\
## What the way through gateway, broker and worker adds

`make bench BENCH="--json docs/bench latency"`. The recogniser answers at once; the direct echo is
a WebSocket server that answers by itself, called by the same callers in the same run. Percent are
of one core, a session.
""",
    "streams": """\
## Live streams that the machine carries

`make bench BENCH="--json docs/bench streams"`. The demo model, chunks of 100 ms at the pace of
speech; callers, gateway, RabbitMQ, Redis, allocator, monitor and workers share the cores. The bare
pipeline is NeMo alone, in as many processes as there are cores, as fast as it can. Carried: 95 of
100 transcripts are complete 1.5 s after the last word. A partial's age counts from the sending of
each chunk that it has heard: the model's own 560 ms are in it, and the pauses of the speaker.
Percent are of one core, a stream.
""",
    "broker": """\
## What the broker's clients cost

`make bench BENCH="--json docs/bench broker"`. Fifty sessions at the pace of speech, every message
persistent and confirmed; no gateway, no worker: a publisher, RabbitMQ and a consumer.
""",
}


def document() -> str:
    """The whole text."""
    kept = [f"- [{name}]({name}): {what}" for name, what in KEPT.items() if (DOCS / name).exists()]
    return "\n".join([HEAD, *kept, *([""] if kept else []), *_sections()])


def _sections() -> Iterator[str]:
    for part, explanation in PARTS.items():
        measured = json.loads((DOCS / "bench" / f"{part}.json").read_text())
        yield explanation
        yield "\n".join(_table(measured["rows"])) + "\n"
        yield _measured_on(measured["machine"]) + "\n"


def _table(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    columns = list(dict.fromkeys(key for row in rows for key in row))
    yield "| " + " | ".join(columns) + " |"
    yield "|" + "|".join(" --- " if column == "what" else " ---: " for column in columns) + "|"
    for row in rows:
        yield "| " + " | ".join(str(row.get(column, "")) for column in columns) + " |"


def _measured_on(machine: Mapping[str, Any]) -> str:
    libraries = ", ".join(f"{name} {version}" for name, version in machine["libraries"].items())
    busy = machine["busy_before_percent"]
    return (
        f"Commit {machine['commit']}; {machine['processor']}, {machine['cores']} cores, "
        f"{machine['memory_gib']} GiB, {busy:g} % busy before; Python {machine['python']}, "
        f"RabbitMQ {machine['rabbitmq']}, Redis {machine['redis']}, {libraries}."
    )


def main() -> None:
    """Write it."""
    DOCUMENT.write_text(document(), encoding="utf-8")


if __name__ == "__main__":
    main()
