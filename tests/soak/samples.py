"""Everything that was measured: tables of figures over time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Figures = Mapping[str, float]


@dataclass(slots=True)
class Table:
    """Columns of equal length; ``t`` is seconds from the beginning of the soak."""

    columns: dict[str, list[float]] = field(default_factory=dict)

    def add(self, t: float, figures: Figures) -> None:
        """A row; its columns are those of the first one."""
        row = {"t": round(t, 2), **figures}
        if self.columns and self.columns.keys() != row.keys():
            raise ValueError(f"columns are {list(self.columns)}, not {list(row)}")
        for name, value in row.items():
            self.columns.setdefault(name, []).append(value)

    def __getitem__(self, name: str) -> NDArray[np.float64]:
        """One column; empty if there is none."""
        return np.asarray(self.columns.get(name, []), dtype=np.float64)

    def between(self, first: float, last: float) -> Table:
        """The rows of that time."""
        keep = [first <= t <= last for t in self.columns.get("t", [])]
        return Table(
            {
                name: [value for value, kept in zip(values, keep, strict=True) if kept]
                for name, values in self.columns.items()
            }
        )

    @property
    def seconds(self) -> float:
        """From the first row to the last."""
        times = self.columns.get("t", [])
        return times[-1] - times[0] if times else 0.0


@dataclass(slots=True)
class Samples:
    """All tables.

    Attributes:
        processes: by name and pid: a process that comes back is another one.
        system: the session store and the calls.
        census: all queues and keys, counted less often.
    """

    processes: dict[tuple[str, int], Table] = field(default_factory=dict)
    system: Table = field(default_factory=Table)
    census: Table = field(default_factory=Table)

    def process(self, name: str, pid: int) -> Table:
        """Of one process; made at its first sample."""
        return self.processes.setdefault((name, pid), Table())

    def printable(self) -> dict[str, Any]:
        """For the report."""
        return {
            "processes": [
                {"name": name, "pid": pid, **table.columns}
                for (name, pid), table in self.processes.items()
            ],
            "system": self.system.columns,
            "census": self.census.columns,
        }
