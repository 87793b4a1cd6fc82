"""`asr models`, `asr workers`, `asr sessions`: what there is, from the allocator."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from asr_cli import allocators
from asr_tasks.catalogue import Catalogue
from asr_tasks.contracts.audio import seconds
from asr_tasks.contracts.errors import BackendDown
from asr_tasks.rpc import worker_manager_pb2 as pb
from asr_tasks.settings import Settings

_machine = click.option("--json", "machine", is_flag=True, help="JSON, for machines.")
_of_model = click.option("--model", default="", help="Only of this model.")


@click.command()
@allocators.option
@_machine
@click.option("--catalogue", default=None, help="A catalogue file.  [default: ASR_CATALOGUE]")
def models(allocator: str | None, machine: bool, catalogue: str | None) -> None:
    """List the models: what they are, whether they are installed here, who serves them.

    Without an allocator it lists the catalogue alone.
    """
    settings = Settings.load(catalogue=catalogue)
    served: dict[str, pb.Model] = {}
    try:
        answer = allocators.ask(
            allocator, lambda stub, limit: stub.ListModels(pb.ListModelsRequest(), timeout=limit)
        )
        served = {model.model_name: model for model in answer.models}
    except BackendDown:
        if allocator:
            raise
    rows = []
    for entry in Catalogue.load(settings.catalogue).values():
        live = served.get(entry.name, pb.Model())
        rows.append(
            {
                "name": entry.name,
                "language": entry.language,
                "latency": f"{(entry.att_context[1] + 1) * 0.08:.2f} s"
                if entry.att_context
                else "",
                "installed": entry.available,
                "workers": live.workers,
                "slots": f"{live.used}/{live.slots}",
                "waiting": live.waiting,
                "description": entry.description,
            }
        )
    _print("models", rows, machine=machine)


@click.command()
@allocators.option
@_of_model
@_machine
def workers(allocator: str | None, model: str, machine: bool) -> None:
    """List the workers, their state, and how many of their slots are used."""
    request = pb.ListWorkersRequest(model_name=model)
    answer = allocators.ask(allocator, lambda stub, limit: stub.ListWorkers(request, timeout=limit))
    rows = [
        {
            "name": worker.worker_name,
            "model": worker.model_name,
            "state": _state(worker),
            "slots": f"{len(worker.sessions)}/{worker.slots}",
            "host": worker.host,
        }
        for worker in answer.workers
    ]
    _print("workers", rows, machine=machine)


def _state(worker: pb.Worker) -> str:
    marks = ["suspect"] * worker.suspect + ["cordoned"] * worker.cordoned
    return f"{worker.state} ({', '.join(marks)})" if marks else worker.state


@click.command()
@allocators.option
@_of_model
@_machine
def sessions(allocator: str | None, model: str, machine: bool) -> None:
    """List the live sessions: state, worker, how much audio came and how much is final."""
    request = pb.ListSessionsRequest(model_name=model)
    answer = allocators.ask(
        allocator, lambda stub, limit: stub.ListSessions(request, timeout=limit)
    )
    rows = [
        {
            "session": one.session,
            "state": one.state,
            "model": one.model_name,
            "worker": one.worker_name,
            "gateway": one.gateway,
            "client": one.client,
            "accepted": f"{seconds(one.accepted):.1f} s",
            "final": f"{seconds(one.committed):.1f} s",
            "segments": one.segments,
            "epoch": one.epoch,
        }
        for one in answer.sessions
    ]
    _print("sessions", rows, machine=machine)


def _print(title: str, rows: Sequence[dict[str, Any]], *, machine: bool) -> None:
    if machine:
        click.echo(json.dumps(rows, indent=1))
        return
    if not rows:
        click.echo(f"no {title}")
        return
    table = Table(box=None, header_style="bold")
    for name in rows[0]:
        table.add_column(name, overflow="fold", no_wrap=name != "description")
    for row in rows:
        table.add_row(*(_cell(value) for value in row.values()))
    Console(highlight=False).print(table)


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)
