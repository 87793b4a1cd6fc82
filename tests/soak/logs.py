"""What the components themselves complained about."""

from __future__ import annotations

import json
import re
import shutil
from collections import Counter
from pathlib import Path
from typing import Final

ID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
LEVELS: Final = ("error", "critical")


def errors(folder: Path) -> dict[str, dict[str, int]]:
    """Lines of level error, session ids left out, and how often each came, by component."""
    found = {path.stem: _errors(path) for path in sorted(folder.glob("*.log"))}
    return {name: dict(count.most_common()) for name, count in found.items() if count}


def keep(folder: Path, into: Path) -> Path:
    """Copy the components' logs to where they can be read later; returns where."""
    into.mkdir(parents=True, exist_ok=True)
    for path in folder.glob("*.log"):
        shutil.copy(path, into)
    return into


def _errors(path: Path) -> Counter[str]:
    count: Counter[str] = Counter()
    with path.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            if not line.startswith("{"):
                continue
            try:
                entry = json.loads(line)
            except ValueError:  # half a line: its writer was killed
                continue
            if entry.get("level") in LEVELS:
                count[ID.sub("<id>", str(entry.get("event", "")))] += 1
    return count
