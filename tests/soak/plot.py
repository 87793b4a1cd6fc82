"""Small multiples of everything that was sampled."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import matplotlib

matplotlib.use("Agg")

from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from tests.soak.restarts import Restart
from tests.soak.samples import Samples, Table
from tests.soak.verdict import HARNESS

# One hue a kind, one shade a process.
COLOURS: Final = {
    "worker-english-0": "#08519c",
    "worker-english-1": "#3182bd",
    "worker-english-2": "#9ecae1",
    "gateway-0": "#a63603",
    "gateway-1": "#fd8d3c",
    "allocator-0": "#006d2c",
    "allocator-1": "#74c476",
    "monitor-0": "#54278f",
    "monitor-1": "#9e9ac8",
    "rabbitmq": "#252525",
    "redis": "#cb181d",
}
CENSUS: Final = ("#08519c", "#fd8d3c", "#006d2c", "#9e9ac8")
MEMORY: Final = {
    "memory of the workers, MiB": ("worker",),
    "memory of gateways, allocators, monitors, MiB": ("gateway", "allocator", "monitor"),
    "memory of RabbitMQ and Redis, MiB": ("rabbitmq", "redis"),
}
COUNTS: Final = {"threads": "threads", "fds": "file descriptors", "connections": "TCP connections"}
SYSTEM: Final = {
    "callers": "callers on the line",
    "sessions": "live sessions in Redis",
    "slots": "slots taken",
}
QUEUES: Final = {
    "channels": "channels",
    "task_queues": "queues task.*",
    "result_queues": "queues result.*",
    "other_queues": "other queues",
}
KEYS: Final = {
    "result_keys": "results (they expire)",
    "session_keys": "of live sessions",
    "other_keys": "of workers and the like",
    "orphan_keys": "of no session",
}


def draw(
    samples: Samples, churn: tuple[float, float], restarts: Sequence[Restart], path: Path
) -> None:
    """Draw them to a PNG: three rows of three."""
    figure, grid = pyplot.subplots(3, 3, figsize=(17, 12), sharex=True, layout="constrained")
    panels: Iterator[Axes] = iter(grid.flat)
    _columns(next(panels), "calls", samples.system, SYSTEM)
    for title, kinds in MEMORY.items():
        _processes(next(panels), title, samples, "rss_mib", kinds)
    for column, title in COUNTS.items():
        _processes(next(panels), f"{title} of each process", samples, column, ("",))
    _columns(next(panels), "RabbitMQ", samples.census, QUEUES)
    _columns(next(panels), "keys in Redis", samples.census, KEYS)
    end = max(samples.system["t"], default=0.0) / 60
    for axes in grid.flat:
        _decorate(axes, churn[1] / 60, end, restarts)
    for axes in grid[-1]:
        axes.set_xlabel("minutes")
    names = [name for name in COLOURS if any(name == known for known, _ in samples.processes)]
    figure.legend(
        handles=[Line2D([], [], color=COLOURS[name], label=name) for name in names],
        loc="outside lower center",
        ncols=len(names),
        frameon=False,
        fontsize=9,
    )
    figure.suptitle(
        "Soak. Each process has a colour, each life of it a line. "
        "Dotted: somebody is restarted gracefully; dashed: kill -9; shaded: no more callers come.",
        fontsize=11,
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=90)
    pyplot.close(figure)


def _processes(
    axes: Axes, title: str, samples: Samples, column: str, kinds: tuple[str, ...]
) -> None:
    axes.set_title(title, loc="left", fontsize=10)
    for (name, _), table in samples.processes.items():
        if name != HARNESS and name.startswith(kinds):
            axes.plot(table["t"] / 60, table[column], color=COLOURS[name], linewidth=1.3)


def _columns(axes: Axes, title: str, table: Table, labels: Mapping[str, str]) -> None:
    axes.set_title(title, loc="left", fontsize=10)
    for (column, label), colour in zip(labels.items(), CENSUS, strict=False):
        if column in table.columns:
            axes.plot(table["t"] / 60, table[column], color=colour, label=label, linewidth=1.3)
    axes.legend(frameon=False, fontsize=8, ncols=2)


def _decorate(axes: Axes, last_caller: float, end: float, restarts: Sequence[Restart]) -> None:
    axes.grid(axis="y", color="#eeeeee")
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_ylim(bottom=0, top=axes.get_ylim()[1] * 1.15)
    axes.axvspan(last_caller, max(end, last_caller), color="#f2f2f2", zorder=0)
    for restart in restarts:
        style = "--" if restart.how == "KILL" else ":"
        axes.axvline(restart.at / 60, color="#bbbbbb", linestyle=style, linewidth=0.8, zorder=0)
