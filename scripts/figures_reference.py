"""Write docs/figures.md from the results kept in docs/: bench, faults, soak, simulate.

A result that is not kept has no section.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # this tree, not one that is installed

from allocator.simulation import report as simulation
from tests.faults import report as faults

DOCS = Path(__file__).resolve().parents[1] / "docs"
DOCUMENT = DOCS / "figures.md"

HEAD = """\
# Figures

Written by `make docs` from the results kept in `docs/`. Each was made by a command of this
repository; each says on what machine, and at which commit.
"""
KEPT = {
    "faults/faults.md": "what each kind of fault is, and what is promised of it (`make faults`)",
    "faults/batch-faults.md": "the same of recordings",
    "soak/soak.png": "an hour of calls and restarts (`make soak`)",
    "soak/soak.json": "its samples and verdicts",
    "simulation/pareto.svg": "waits against cost of each scaling rule (`make simulate`)",
    "simulation/timeline.svg": "calls, and the slots that two rules paid for them",
    "simulation/interruptions.svg": "calls whose worker was removed under them",
    "simulation/results.json": "all figures of the simulated rules",
}


class Part(NamedTuple):
    """A section.

    Attributes:
        path: of the result below docs/.
        text: its heading, and what the figures are.
        rows: of its table, from the result.
    """

    path: str
    text: str
    rows: Callable[[Mapping[str, Any]], Iterable[Mapping[str, Any]]] = lambda kept: kept["rows"]


def _faults(kept: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for row in kept["rows"]:
        if row["rounds"]:
            cells = {title: row[key] for key, title in faults.TITLES.items()}
            yield cells | {"missed": "; ".join(row["missed"])}
        else:
            yield {"what": row["case"], "missed": f"not played, because: {row['not_played']}"}


def _soak(kept: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The checks, then for each figure the series that grew most beside what it was allowed."""
    for check in kept["checks"]:
        yield {"what": check["what"], "flat or right": _yes(check["good"])}
    for figure in dict.fromkeys(verdict["figure"] for verdict in kept["verdicts"]):
        same = [verdict for verdict in kept["verdicts"] if verdict["figure"] == figure]
        worst = max(same, key=lambda verdict: verdict["growth"] - verdict["allowed"])
        yield {
            "what": f"{figure}: {worst['series']}",
            "flat or right": _yes(all(verdict["flat"] for verdict in same)),
            "series": len(same),
            **{name: round(worst[name], 2) for name in ("before", "last", "growth", "allowed")},
        }


def _rules(kept: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """For each scenario, how many settings of each other rule one of ours is no worse than."""
    results, matched = kept["results"], kept["matched"]
    for scenario in dict.fromkeys(result["scenario"] for result in results):
        there = [result for result in results if result["scenario"] == scenario]
        cells = {"what": scenario, "calls": there[0]["calls"]}
        cells["at once"] = max(result["peak_calls"] for result in there)
        for rule, title in simulation.TITLES.items():
            if rule == "ours":
                continue
            of_rule = [m for m in matched if (m["scenario"], m["rule"]) == (scenario, rule)]
            good = sum(1 for verdict in of_rule if verdict["by"])
            cells[title] = f"{good} of {len(of_rule)}"
        yield cells | {"longest run s": round(max(result["seconds"] for result in there), 1)}


def _yes(good: bool) -> str:
    return "yes" if good else "**no**"


PARTS = (
    Part(
        "bench/latency.json",
        """\
## What the way through gateway, broker and worker adds

`make bench BENCH="--json docs/bench latency"`. The recogniser answers at once; the direct echo is
a WebSocket server that answers by itself, called by the same callers in the same run. Percent are
of one core, a session.
""",
    ),
    Part(
        "bench/streams.json",
        """\
## Live streams that the machine carries

`make bench BENCH="--json docs/bench streams"`. The demo model, chunks of 100 ms at the pace of
speech; callers, gateway, RabbitMQ, Redis, allocator, monitor and workers share the cores. The bare
pipeline is NeMo alone, in as many processes as there are cores, as fast as it can. Carried: 95 of
100 transcripts are complete 1.5 s after the last word. A partial's age counts from the sending of
each chunk that it has heard: the model's own 560 ms are in it, and the pauses of the speaker.
Percent are of one core, a stream.
""",
    ),
    Part(
        "bench/broker.json",
        """\
## What the broker's clients cost

`make bench BENCH="--json docs/bench broker"`. Fifty sessions at the pace of speech, every message
persistent and confirmed; no gateway, no worker: a publisher, RabbitMQ and a consumer.
""",
    ),
    Part(
        "bench/batch-throughput.json",
        """\
## Recordings: how fast

`make bench-batch BATCH="--json docs/bench throughput"`. Seconds of audio in a second, reading and
decoding the files included: NeMo's own transcribe() on them, with all cores and in one thread; then
each file as a job, from the first one's creation to the last one's end. A worker has one thread.
""",
    ),
    Part(
        "bench/batch-memory.json",
        """\
## Recordings: memory of a worker

`make bench-batch BATCH="--json docs/bench memory"`. One long file: the most that the worker's
processes held while a quarter of it was heard.
""",
    ),
    Part(
        "bench/batch-live.json",
        """\
## Recordings beside live calls

`make bench-batch BATCH="--json docs/bench live"`. What eight calls wait for an answer, alone and
while a batch worker transcribes on the same machine.
""",
    ),
    Part(
        "faults/faults.json",
        """\
## Calls under fault

`make faults FAULTS="--out docs/faults"`. In each round everything is real and some people talk; one
thing is struck; every transcript is compared with the same call undisturbed. Gaps are how far the
text was behind it at the most.
""",
        _faults,
    ),
    Part(
        "faults/batch-faults.json",
        """\
## Recordings under fault

`make faults-batch FAULTS="--out docs/faults"`. Lost: jobs that did not end as they must. Differing:
transcripts that are not, to the byte, those of the undisturbed run. Repeated: pieces heard again,
the most in a round, beside how many may be.
""",
    ),
    Part(
        "soak/soak.json",
        """\
## An hour of calls and restarts

`make soak SOAK="--out docs/soak"`. What has to hold, and of each figure the series that grew most
beside what it was allowed: from the higher median of its first two quarters to that of its last.
""",
        _soak,
    ),
    Part(
        "simulation/results.json",
        """\
## Scaling rules

`make simulate SIMULATE="--out docs/simulation"`. Of the settings of each other rule, those that one
of ours is no worse than in anything: calls that wait, 99th percentile of the wait, slot-hours paid,
calls interrupted. The runs are on one core.
""",
        _rules,
    ),
)


def document(docs: Path = DOCS) -> str:
    """The whole text, from the results kept in a folder."""
    kept = [f"- [{name}]({name}): {what}" for name, what in KEPT.items() if (docs / name).exists()]
    return "\n".join([HEAD, *kept, *([""] if kept else []), *_sections(docs)])


def _sections(docs: Path) -> Iterator[str]:
    for part in PARTS:
        path = docs / part.path
        if not path.exists():
            continue
        kept = json.loads(path.read_text("utf-8"))
        yield part.text
        yield "\n".join(_table(list(part.rows(kept)))) + "\n"
        if "machine" in kept:
            yield _measured_on(kept["machine"]) + "\n"


def _table(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    columns = list(dict.fromkeys(key for row in rows for key in row))
    yield "| " + " | ".join(columns) + " |"
    yield "|" + "|".join(" --- " if column == "what" else " ---: " for column in columns) + "|"
    for row in rows:
        yield "| " + " | ".join(_cell(row.get(column)) for column in columns) + " |"


def _cell(value: object) -> str:
    return "" if value is None else str(value).replace("|", "\\|").replace("\n", " ")


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
