"""The `asr` command. Each subcommand is imported when it is called: `asr --help` is instant."""

from __future__ import annotations

import importlib
import sys

import click

from asr_tasks.configuration import explained
from asr_tasks.contracts.errors import AsrError

COMMANDS = {
    "cancel": "asr_cli.commands.operate",
    "demo": "asr_cli.commands.demo",
    "drain": "asr_cli.commands.operate",
    "jobs": "asr_cli.commands.jobs",
    "load": "asr_cli.commands.load",
    "models": "asr_cli.commands.fleet",
    "scaling": "asr_cli.commands.scaling",
    "sessions": "asr_cli.commands.fleet",
    "stream": "asr_cli.commands.stream",
    "transcribe": "asr_cli.commands.transcribe",
    "up": "asr_cli.commands.up",
    "workers": "asr_cli.commands.fleet",
}
SUMMARIES = {
    "cancel": "End a call now.",
    "demo": "Speech in, text out, on this machine, with no server.",
    "drain": "Take a worker out of service without costing a call anything.",
    "jobs": "List, show, cancel and retry the jobs of the batch workers.",
    "load": "Load a gateway with many callers and report how it bore them.",
    "models": "List the models: what they are, whether they are installed, who serves them.",
    "scaling": "How many workers each model has, and why.",
    "sessions": "List the live sessions and where each of them is.",
    "stream": "Send audio to a gateway and show the words as they are recognised.",
    "transcribe": "Transcribe recordings of any length.",
    "up": "Run the whole system until Ctrl-C.",
    "workers": "List the workers, their slots and what they are doing.",
}


class _Lazy(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        if ctx.resilient_parsing or cmd_name not in sys.argv:
            return click.Command(cmd_name, help=SUMMARIES[cmd_name])
        module = importlib.import_module(COMMANDS[cmd_name])
        command: click.Command = getattr(module, cmd_name)
        return command


@click.command(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="asr-stream-tasks")
def cli() -> None:
    """Live speech recognition: stream audio in, get text out while people are still talking.

    \b
    Try it on this machine, with no server:  asr demo
    Run it:                                  asr up
    Talk to it, from another terminal:       asr stream recording.flac
    """


def main() -> None:
    """Entry point: errors of the service become one line and exit status 1."""
    try:
        with explained():
            cli.main(standalone_mode=False)
    except click.exceptions.Abort:
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except AsrError as error:
        click.echo(f"asr: {error.code}: {error}", err=True)
        sys.exit(1)
