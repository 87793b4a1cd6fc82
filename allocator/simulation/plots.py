"""Pictures of what came out; SVG, small enough to keep in docs/."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Final

import matplotlib

matplotlib.use("Agg")

from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from allocator.simulation.comparison import frontier
from allocator.simulation.measures import Moment, Result
from allocator.simulation.report import TITLES

COLOURS: Final = {
    "ours": "#08519c",
    "seed": "#cb181d",
    "hpa": "#fd8d3c",
    "keda": "#54278f",
    "agones": "#006d2c",
}
MARKERS: Final = {"ours": "o", "seed": "s", "hpa": "^", "keda": "v", "agones": "D"}
TELLING: Final = ("day", "incident", "spiky", "morning")
"""The scenarios that are shown over time rather than others."""
POINTS: Final = 300
"""At most, of one line over time."""
SHOWN: Final = 4
"""So many scenarios over time; a dozen would make a file too big to keep."""
LEAST: Final = 1e-3
"""Percent; where a logarithmic axis shows "nobody waited"."""


def draw(
    results: Sequence[Result],
    timelines: Mapping[tuple[str, str], tuple[str, Sequence[Moment]]],
    folder: Path,
) -> list[Path]:
    """Write all pictures.

    Args:
        results: of all runs.
        timelines: (scenario, rule) → the name of a setting, and its looks.
        folder: where to.

    Returns:
        The files.
    """
    # The same picture for the same figures, so that a commit shows what changed.
    matplotlib.rcParams["svg.hashsalt"] = "simulation"
    pictures = {
        "pareto.svg": _pareto(results),
        "interruptions.svg": _interruptions(results),
        "timeline.svg": _timelines(timelines),
    }
    for name, figure in pictures.items():
        figure.savefig(folder / name, metadata={"Date": None})
        pyplot.close(figure)
    return [folder / name for name in pictures]


def _grid(names: Sequence[str], height: float) -> tuple[Figure, list[Axes]]:
    columns = min(2, len(names))
    rows = -(-len(names) // columns)
    figure, axes = pyplot.subplots(
        rows, columns, figsize=(5.5 * columns, height * rows), layout="constrained", squeeze=False
    )
    flat = list(axes.flat)
    for spare in flat[len(names) :]:
        spare.set_visible(False)
    return figure, flat


def _by_scenario(results: Iterable[Result]) -> dict[str, list[Result]]:
    return {name: list(group) for name, group in groupby(results, lambda each: each.scenario)}


def _pareto(results: Sequence[Result]) -> Figure:
    """Waits against cost: below and to the left is better."""
    scenarios = _by_scenario(results)
    figure, axes = _grid(list(scenarios), 3.0)
    for (name, of_scenario), axis in zip(scenarios.items(), axes, strict=False):
        for rule, title in TITLES.items():
            own = [each for each in of_scenario if each.rule == rule]
            line = frontier(own) if rule == "ours" else sorted(own, key=_cost)
            axis.plot(
                [each.slot_hours for each in line],
                [max(LEAST, each.waited * 100) for each in line],
                color=COLOURS[rule],
                marker=MARKERS[rule],
                markersize=4,
                linewidth=1,
                label=title,
            )
        axis.set(title=name, xscale="log", yscale="log", xlabel="slot-hours paid")
        axis.set_ylabel("% waited > 1 s")
    axes[0].legend(fontsize="small")
    return figure


def _cost(result: Result) -> float:
    return result.slot_hours


def _interruptions(results: Sequence[Result]) -> Figure:
    """Calls whose worker was removed under them, the worst setting of each rule."""
    scenarios = _by_scenario(results)
    figure, axis = pyplot.subplots(figsize=(9, 3.5), layout="constrained")
    width = 0.8 / len(TITLES)
    for place, (rule, title) in enumerate(TITLES.items()):
        worst = [
            max((each.interruptions for each in group if each.rule == rule), default=0)
            for group in scenarios.values()
        ]
        positions = [number + place * width for number in range(len(scenarios))]
        axis.bar(positions, worst, width, color=COLOURS[rule], label=title)
    axis.set_xticks([number + 0.4 - width / 2 for number in range(len(scenarios))])
    axis.set_xticklabels(list(scenarios))
    axis.set(yscale="symlog", ylabel="calls interrupted (worst setting)")
    axis.legend(fontsize="small")
    return figure


def _timelines(
    timelines: Mapping[tuple[str, str], tuple[str, Sequence[Moment]]],
) -> Figure:
    """Calls, and the slots that two rules paid for them."""
    names = list(dict.fromkeys(scenario for scenario, _ in timelines))
    names = sorted(names, key=lambda name: name not in TELLING)[:SHOWN]
    figure, axes = _grid(names or [""], 2.5)
    for name, axis in zip(names, axes, strict=False):
        for (scenario, rule), (setting, moments) in timelines.items():
            if scenario != name:
                continue
            moments = moments[:: -(-len(moments) // POINTS) or 1]
            hours = [moment.at / 3600.0 for moment in moments]
            axis.plot(
                hours,
                [moment.slots for moment in moments],
                color=COLOURS[rule],
                linewidth=0.8,
                label=f"slots, {TITLES[rule]} ({setting})",
            )
            if rule == "ours":
                calls = [moment.busy + moment.waiting for moment in moments]
                axis.fill_between(hours, calls, color="#bdbdbd", linewidth=0, label="calls")
        axis.set(title=name, xlabel="hours")
        axis.legend(fontsize="x-small", loc="upper left")
    return figure
