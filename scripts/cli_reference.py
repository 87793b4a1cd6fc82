"""Write docs/cli.md from what each command says about itself."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from asr_cli.main import COMMANDS

DOCUMENT = Path(__file__).parent.parent / "docs" / "cli.md"


def help_of(*command: str) -> str:
    """The --help text of `asr COMMAND`, a hundred columns wide."""
    program = "import sys; sys.argv[0] = 'asr'; from asr_cli.main import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", program, *command, "--help"],
        env={**os.environ, "COLUMNS": "100", "TERMINAL_WIDTH": "100", "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return done.stdout.strip()


def main() -> None:
    """Write the document."""
    parts = ["# The `asr` command", "", "Written by `make docs`.", ""]
    for command in [(), *((name,) for name in sorted(COMMANDS))]:
        parts += [f"## {' '.join(('asr', *command))}", "", "```", help_of(*command), "```", ""]
    DOCUMENT.write_text("\n".join(parts), "utf-8")


if __name__ == "__main__":
    main()
