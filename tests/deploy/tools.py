"""Where the programs that check things are: see scripts/tools.sh."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def tools_folder() -> Path:
    """Where `make tools` puts them."""
    return ROOT / ".tools"


def tool(name: str) -> str | None:
    """The program, from the virtual environment, from `make tools`, or from the PATH."""
    folders = [Path(sys.executable).parent, tools_folder() / "bin"]
    return shutil.which(name, path=os.pathsep.join([*map(str, folders), os.environ["PATH"]]))
