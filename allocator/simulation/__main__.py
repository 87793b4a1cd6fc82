"""`python -m allocator.simulation`: scaling rules compared on made-up days of calls.

Every rule meets the same callers; ours and the seed's are the code that production runs. Without
options: all scenarios, all rules, one core.
"""

from __future__ import annotations

import argparse
import contextlib
import platform
import signal
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from allocator.simulation import report
from allocator.simulation.measures import Moment, Result
from allocator.simulation.rules import FAMILIES, REPRESENTATIVE
from allocator.simulation.runs import Done, Job, jobs, perform_all
from allocator.simulation.scenarios import SCENARIOS

NOTHING: Final = 130
"""Exit status of a run that was ended before there was anything to show."""
Timelines = dict[tuple[str, str], tuple[str, Sequence[Moment]]]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what was asked for; show it, and write it if a folder was named."""
    options = _parse(arguments)
    work = jobs(
        options.scenario or [scenario.name for scenario in SCENARIOS],
        options.policy or FAMILIES,
        options.seed,
        quick=options.quick,
    )
    results, timelines = _collect(work, options.jobs)
    if not results:
        sys.stderr.write("ended before a scenario was complete\n")
        return NOTHING
    about: dict[str, object] = {
        "seed": options.seed,
        "quick": options.quick,
        "python": platform.python_version(),
    }
    if options.json:
        Console().print_json(data=report.document(results, about))
    else:
        report.show(results, Console())
    if options.out:
        _write(results, timelines, about, options.out)
    return 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    scenarios = "\n".join(f"  {each.name:10} {each.title}" for each in SCENARIOS)
    rules = "\n".join(f"  {name:10} {title}" for name, title in report.TITLES.items())
    parser = argparse.ArgumentParser(
        prog="python -m allocator.simulation",
        description=__doc__,
        epilog=f"scenarios:\n{scenarios}\n\nrules:\n{rules}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--scenario",
        action="append",
        choices=[each.name for each in SCENARIOS],
        metavar="NAME",
        help="only this one; may be given again",
    )
    parser.add_argument(
        "--policy",
        action="append",
        choices=FAMILIES,
        metavar="NAME",
        help="only this rule; may be given again",
    )
    parser.add_argument("--seed", type=int, default=1, help="of the random numbers (%(default)s)")
    parser.add_argument("--quick", action="store_true", help="the first 7 hours, fewer settings")
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="write results.json and pictures there"
    )
    parser.add_argument("--jobs", type=int, default=1, help="processes (%(default)s)")
    return parser.parse_args(arguments)


def _collect(work: Sequence[Job], processes: int) -> tuple[list[Result], Timelines]:
    results: list[Result] = []
    timelines: Timelines = {}
    # What was simulated before somebody lost patience is shown all the same.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with contextlib.suppress(KeyboardInterrupt):
        for done in _shown(work, processes):
            result = done.result
            results.append(result)
            if REPRESENTATIVE.get(result.rule) == result.variant:
                timelines[result.scenario, result.rule] = (result.variant, done.timeline)
    return _whole(results, work), timelines


def _whole(results: Sequence[Result], work: Sequence[Job]) -> list[Result]:
    """Without the scenario that was broken off: half of its settings would compare unfairly."""
    asked = Counter(job.scenario for job in work)
    done = Counter(result.scenario for result in results)
    return [each for each in results if done[each.scenario] == asked[each.scenario]]


def _shown(work: Sequence[Job], processes: int) -> Iterable[Done]:
    """The runs, with a bar on the terminal."""
    with Progress(
        TextColumn("{task.description:<10}"),
        BarColumn(),
        TextColumn("{task.completed:.0f}/{task.total:.0f}"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    ) as progress:
        bar = progress.add_task("", total=len(work))

        def tell(job: Job) -> None:
            progress.update(bar, advance=1, description=job.scenario)

        yield from perform_all(work, processes, tell)


def _write(
    results: Sequence[Result], timelines: Timelines, about: dict[str, object], folder: Path
) -> None:
    # Only who wants pictures needs what draws them.
    from allocator.simulation import plots

    folder.mkdir(parents=True, exist_ok=True)
    report.write(results, about, folder / "results.json")
    plots.draw(results, timelines, folder)


if __name__ == "__main__":
    raise SystemExit(main())
