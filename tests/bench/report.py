"""Figures as a table for people and as JSON for machines."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

Row = Mapping[str, Any]


def spread(seconds: Sequence[float]) -> dict[str, float]:
    """Median and tails of durations, milliseconds.

    Raises:
        ValueError: there is not one duration.
    """
    if not seconds:
        raise ValueError("nothing was measured")
    p50, p90, p99 = np.percentile(np.asarray(seconds) * 1000, [50, 90, 99])
    return {
        "p50_ms": round(float(p50), 2),
        "p90_ms": round(float(p90), 2),
        "p99_ms": round(float(p99), 2),
        "max_ms": round(max(seconds) * 1000, 1),
        "n": len(seconds),
    }


def show(title: str, rows: Sequence[Row]) -> None:
    """Print rows as a table; the columns are the keys of all rows, in order of appearance."""
    columns = list(dict.fromkeys(key for row in rows for key in row))
    table = Table(title=title, title_justify="left")
    for column in columns:
        table.add_column(column, justify="right" if column != "what" else "left")
    for row in rows:
        table.add_row(*(str(row.get(column, "")) for column in columns))
    Console(width=150).print(table)


def write(folder: Path, name: str, machine: Mapping[str, Any], rows: Sequence[Row]) -> Path:
    """Store rows with the machine they were measured on; returns the file."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    path.write_text(json.dumps({"machine": machine, "rows": list(rows)}, indent=2) + "\n")
    return path
