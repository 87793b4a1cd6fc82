"""`python -m tests.bench [PART …]`: figures as a table and as JSON."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterable
from pathlib import Path

from tests.bench import broker, latency, machine, report, streams
from tests.servers import choose

PARTS = ("latency", "streams", "broker")


def main() -> None:
    """Measure the parts one after another on servers of our own."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("parts", nargs="*", default=PARTS, metavar="PART", help=" ".join(PARTS))
    parser.add_argument("--quick", action="store_true", help="seconds instead of minutes")
    parser.add_argument("--json", type=Path, default=Path("bench-results"), metavar="FOLDER")
    options = parser.parse_args()
    if unknown := set(options.parts) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    about = machine.describe()
    print(*(f"{name}: {value}" for name, value in about.items()), sep="\n", flush=True)
    with (
        tempfile.TemporaryDirectory(prefix="asr-bench-") as name,
        choose.rabbitmq(Path(name) / "rabbitmq") as rabbitmq,
        choose.redis(Path(name) / "redis") as redis,
    ):
        folder = Path(name)
        for part in options.parts:
            own = folder / part
            own.mkdir()
            rows = list(_rows(part, rabbitmq, redis, own, quick=options.quick))
            report.show(part, rows)
            print(report.write(options.json, part, about, rows), flush=True)


def _rows(
    part: str, rabbitmq: choose.Server, redis: choose.Server, folder: Path, *, quick: bool
) -> Iterable[report.Row]:
    match part:
        case "broker":
            process = getattr(rabbitmq, "process", None)
            return broker.rows(rabbitmq.url, process.pid if process else None, quick=quick)
        case "latency":
            return latency.rows(rabbitmq, redis, folder, quick=quick)
        case _:
            return streams.rows(rabbitmq, redis, folder, quick=quick)


if __name__ == "__main__":
    main()
