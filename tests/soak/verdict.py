"""Whether what was measured stays flat.

Of each series the median of its last quarter is compared with the higher of those of the first and
the second: some take a while to warm up, RabbitMQ's memory goes up and down by itself. A process
that comes back is a new series. What may differ:

========================  ====================================================================
memory                    2 %, or 5 MiB where that is more
threads, descriptors,     6, and 3 for each session that the process had at once for the first
connections               time after its second quarter (pools keep what their peak needed)
queues, keys, channels    6, and 3 a session as above
descriptors, connections  24 more: what the pools of a worker, which begin small when it comes
of RabbitMQ and Redis     back, hold after its peak
queues of no session      12: two for each caller who hung up and whose gateway went away, until
                          they expire after 10 minutes without use
keys of no session        none, ever
========================  ====================================================================

A worker steps up in all of these when it first carries the most sessions that it ever does: its
threads and pools begin small. What is judged of it is its life before that or after it, whichever
lasted longer.

A leak of one descriptor a call would be hundreds in an hour, one a restart a dozen.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tests.soak.samples import Samples, Table

MEMORY_SHARE: Final = 0.02
MEMORY_MIB: Final = 5.0
SLACK: Final = 6.0
PER_SESSION: Final = 3.0
QUEUES_PER_SESSION: Final = 2.0
ORPHAN_QUEUES: Final = 12.0
POOLS: Final = 24.0
SERVERS: Final = ("rabbitmq", "redis")
WORKERS: Final = "worker"
FEWEST: Final = 8
"""Rows without which quarters have no medians worth the name."""
COUNTS: Final = ("threads", "fds", "connections")
HARNESS: Final = "harness"
"""Measured, shown, not judged: it keeps every sample."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """One figure of one series: the median of its last quarter, and the higher one before."""

    series: str
    figure: str
    before: float
    last: float
    allowed: float
    per_hour: float

    @property
    def growth(self) -> float:
        """From the first half to the last quarter."""
        return round(self.last - self.before, 2)

    @property
    def flat(self) -> bool:
        """Whether it grew by no more than is allowed."""
        return self.growth <= self.allowed

    def printable(self) -> dict[str, Any]:
        """For the report."""
        return {**asdict(self), "growth": self.growth, "flat": self.flat}


def judge(
    samples: Samples,
    churn: tuple[float, float],
    shortest: float,
    ready_since: Mapping[tuple[str, int], float],
) -> list[Verdict]:
    """A verdict for each figure of each series that lasts ``shortest`` seconds of the churn.

    Args:
        samples: all.
        churn: when callers began to come, and when no more came.
        shortest: seconds.
        ready_since: when a process that came later had loaded what it needs.
    """
    made: list[Verdict] = []
    for (name, pid), table in samples.processes.items():
        rows = table.between(max(churn[0], ready_since.get((name, pid), 0.0)), churn[1])
        if name != HARNESS and _long_enough(rows, shortest):
            made += _of_process(f"{name} ({pid})", rows)
    system, census = samples.system.between(*churn), samples.census.between(*churn)
    if _long_enough(system, shortest):
        made.append(_count("redis", "clients", system, system["redis_clients"], pools=POOLS))
    if _long_enough(census, shortest):
        made += _of_census(census)
    return made


def _of_process(series: str, rows: Table) -> Iterator[Verdict]:
    if series.startswith(WORKERS):
        rows = _steady(rows)
    yield _memory(series, "memory MiB", rows, rows["rss_mib"])
    pools = POOLS if series.startswith(SERVERS) else 0.0
    for figure in COUNTS:
        more = 0.0 if figure == "threads" else pools
        yield _count(series, figure, rows, rows[figure], pools=more)


def _of_census(rows: Table) -> Iterator[Verdict]:
    yield _memory("redis", "used MiB but results", rows, rows["redis_lasting_mib"])
    yield _count("redis", "keys but sessions' and results", rows, rows["other_keys"])
    orphans = rows["orphan_keys"]
    # A session may end between the look at the set and the look at its keys: once is no orphan.
    yield Verdict("redis", "keys of no session", 0, _lasting(orphans), 0, 0)
    if "task_queues" not in rows.columns:
        return
    of_sessions = rows["task_queues"] + rows["result_queues"]
    beyond = of_sessions - QUEUES_PER_SESSION * rows["sessions"]
    before, last = _medians(rows, beyond)
    slope = _per_hour(rows, beyond)
    yield Verdict("rabbitmq", "queues of no live session", before, last, ORPHAN_QUEUES, slope)
    yield _count("rabbitmq", "other queues", rows, rows["other_queues"])
    yield _count("rabbitmq", "channels", rows, rows["channels"])


def _memory(series: str, figure: str, rows: Table, values: NDArray[np.float64]) -> Verdict:
    before, last = _medians(rows, values)
    allowed = max(MEMORY_SHARE * before, MEMORY_MIB)
    return Verdict(series, figure, before, last, round(allowed, 1), _per_hour(rows, values))


def _count(
    series: str, figure: str, rows: Table, values: NDArray[np.float64], *, pools: float = 0.0
) -> Verdict:
    before, last = _medians(rows, values)
    sessions, half = rows["sessions"], _quarter(rows, 0) | _quarter(rows, 1)
    new_peak = float(max(sessions.max() - sessions[half].max(), 0.0))
    allowed = SLACK + PER_SESSION * new_peak + pools
    return Verdict(series, figure, before, last, allowed, _per_hour(rows, values))


def _steady(rows: Table) -> Table:
    """The longer part of a life, before or after it first carried its most sessions."""
    times = rows["t"]
    at = int(np.argmax(rows["sessions"]))
    if times[at] - times[0] > times[-1] - times[at]:
        return rows.between(times[0], times[at - 1])
    return rows.between(times[at], times[-1])


def _medians(rows: Table, values: NDArray[np.float64]) -> tuple[float, float]:
    first, second, _, last = (float(np.median(values[_quarter(rows, n)])) for n in range(4))
    return round(max(first, second), 2), round(last, 2)


def _quarter(rows: Table, number: int) -> NDArray[np.bool_]:
    times = rows["t"]
    edges = np.linspace(times[0], times[-1], 5)
    inside: NDArray[np.bool_] = np.searchsorted(edges[1:-1], times, side="right") == number
    return inside


def _per_hour(rows: Table, values: NDArray[np.float64]) -> float:
    """The slope after the first quarter: what it would grow by in an hour."""
    later = ~_quarter(rows, 0)
    slope = np.polyfit(rows["t"][later], values[later], 1)[0]
    return round(float(slope) * 3600, 2)


def _lasting(orphans: NDArray[np.float64]) -> float:
    """The most that was there in two looks after each other."""
    return float(np.minimum(orphans[1:], orphans[:-1]).max(initial=0.0))


def _long_enough(rows: Table, shortest: float) -> bool:
    return rows.seconds >= shortest and len(rows["t"]) >= FEWEST
