"""`asr scaling`: how many workers each model has, and why."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import click
from google.protobuf.json_format import MessageToDict
from rich.console import Console
from rich.table import Table

from asr_cli import allocators
from asr_tasks.rpc import worker_manager_pb2 as pb

_machine = click.option("--json", "machine", is_flag=True, help="JSON, for machines.")


@click.group()
def scaling() -> None:
    """How many workers each model has, and why.

    \b
    asr scaling status
    asr scaling explain english
    """


@scaling.command()
@allocators.option
@_machine
def status(allocator: str | None, machine: bool) -> None:
    """The last decision about each model."""
    answer = _ask(allocator, "")
    if machine:
        click.echo(json.dumps(MessageToDict(answer), indent=2))
        return
    if not answer.models:
        click.echo("Nothing has been decided yet: does a monitor with a scaler lead?")
        return
    table = Table("model", "told", "wanted", "start-up", "why", box=None)
    for model in answer.models:
        last = model.decisions[0]
        startup = f"{model.startup:.0f} s" if model.startup else "not seen"
        table.add_row(model.model_name, str(last.after), str(last.wanted), startup, last.reason)
    Console().print(table)


@scaling.command()
@click.argument("model", default="")
@click.option("--last", default=5, show_default=True, help="Decisions to show.")
@allocators.option
@_machine
def explain(model: str, last: int, allocator: str | None, machine: bool) -> None:
    """What was decided lately about MODEL (or all models): what was seen, which rule decided."""
    answer = _ask(allocator, model)
    if machine:
        click.echo(json.dumps(MessageToDict(answer), indent=2))
        return
    if not answer.models:
        raise click.ClickException(
            f"nothing has been decided about {model or 'any model'} yet; "
            "see `asr models`, and whether a monitor with a scaler leads"
        )
    console = Console()
    for one in answer.models:
        console.print(f"[bold]{one.model_name}[/bold]", _startup(one))
        for decision in one.decisions[:last]:
            _show(console, decision)


def _ask(allocator: str | None, model: str) -> pb.ExplainScalingResponse:
    request = pb.ExplainScalingRequest(model_name=model)
    answer: Any = allocators.ask(
        allocator, lambda stub, limit: stub.ExplainScaling(request, timeout=limit)
    )
    found: pb.ExplainScalingResponse = answer
    return found


def _startup(model: pb.ModelScaling) -> str:
    if not model.startup:
        return "(no worker has been seen to start yet)"
    return f"(a worker needs {model.startup:.1f} s to start)"


def _show(console: Console, decision: pb.ScalingDecision) -> None:
    moved = (
        f"{decision.before} → {decision.after} workers"
        if decision.before != decision.after
        else f"stays at {decision.after}"
    )
    waits = f", {decision.wanted} are wanted" if decision.wanted != decision.after else ""
    at = datetime.fromtimestamp(decision.at).strftime("%H:%M:%S")
    console.print(f"  {at}  [bold]{moved}[/bold]{waits}: {decision.reason}")
    figures = ", ".join(f"{name} {value:g}" for name, value in sorted(decision.figures.items()))
    console.print(f"            {figures}", style="dim")
    for word, names in (
        ("get no new session", decision.cordoned),
        ("get sessions again", decision.uncordoned),
        ("hand their sessions over", decision.drained),
    ):
        if names:
            console.print(f"            {word}: {', '.join(names)}", style="dim")
