"""Write docs/cli.md from what each command says about itself."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # this tree, not one that is installed

import click

from asr_cli.main import COMMANDS, cli

DOCUMENT = Path(__file__).resolve().parents[1] / "docs" / "cli.md"
WIDTH = 78


def document() -> str:
    """The document: the --help of `asr` and of each of its commands."""
    # Resilient: the group then lists its commands without importing them.
    top = click.Context(
        cli, info_name="asr", terminal_width=WIDTH, resilient_parsing=True, **cli.context_settings
    )
    parts = ["# The `asr` command", "", "Written by `make docs`.", ""]
    parts += ["## asr", "", "```", cli.get_help(top).strip(), "```", ""]
    for name in sorted(COMMANDS):
        command: click.Command = getattr(importlib.import_module(COMMANDS[name]), name)
        parts += _described(command, f"asr {name}", top)
    return "\n".join(parts)


def _described(command: click.Command, path: str, parent: click.Context) -> list[str]:
    """A command's section, and those of the commands within it."""
    # click keeps the option of whoever asked first; a test may have, without `asr` around it.
    command._help_option = None
    context = click.Context(command, info_name=path.rpartition(" ")[2], parent=parent)
    parts = [f"## {path}", "", "```", command.get_help(context).strip(), "```", ""]
    if isinstance(command, click.Group):
        for name, inner in sorted(command.commands.items()):
            parts += _described(inner, f"{path} {name}", context)
    return parts


def main() -> None:
    """Write the document."""
    DOCUMENT.write_text(document(), "utf-8")


if __name__ == "__main__":
    main()
