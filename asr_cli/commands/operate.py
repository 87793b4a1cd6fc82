"""`asr drain`, `asr cancel`: what an operator does to a worker or to a call."""

from __future__ import annotations

import json
import time
from typing import Final

import click
from rich.console import Console
from rich.text import Text

from asr_cli import allocators
from asr_tasks.contracts.errors import BackendDown
from asr_tasks.rpc import worker_manager_pb2 as pb

LOOK_SECONDS: Final = 0.25


@click.command()
@click.argument("worker")
@allocators.option
@click.option("--wait/--no-wait", default=True, help="Wait until it is empty.  [default: wait]")
@click.option(
    "--timeout", type=click.FloatRange(0), default=90.0, show_default=True, help="Seconds to wait."
)
@click.option("--json", "machine", is_flag=True, help="One JSON object a line, for machines.")
def drain(worker: str, allocator: str | None, wait: bool, timeout: float, machine: bool) -> None:
    """Take WORKER out of service without costing a call anything.

    It gets no new session, hands each one it has over at the end of an utterance, and its process
    ends with status 0. SIGTERM to the process does the same.

    \b
    asr drain worker-english-3
    asr drain worker-english-3 --no-wait

    Exit status: 0 it is empty (or was told, with --no-wait); 1 there is no such worker, or it was
    not empty in time.
    """
    answer = allocators.ask(
        allocator,
        lambda stub, limit: stub.DrainWorker(
            pb.DrainWorkerRequest(worker_name=worker), timeout=limit
        ),
    )
    if not answer.success:
        raise click.ClickException(f"no worker is called {worker!r}; `asr workers` lists them")
    console = Console(highlight=False)
    left, deadline = answer.sessions, time.monotonic() + timeout
    _tell(console, worker, left, machine=machine)
    while wait:
        try:
            now = _sessions_of(allocator, worker)
        except BackendDown:
            if time.monotonic() > deadline:
                raise
            time.sleep(LOOK_SECONDS)  # an allocator restarts; the worker goes on
            continue
        if now != left:
            _tell(console, worker, now or 0, machine=machine)
        if not now:
            return
        left = now
        if time.monotonic() > deadline:
            raise click.ClickException(f"{worker} still has {left} sessions after {timeout:.0f} s")
        time.sleep(LOOK_SECONDS)


@click.command()
@click.argument("session")
@allocators.option
def cancel(session: str, allocator: str | None) -> None:
    """End the call SESSION now; what is final of it is kept.

    Its client is told `cancelled`. `asr sessions` lists the live ones.

    Exit status: 0 it was ended; 1 there is no such live session.
    """
    answer = allocators.ask(
        allocator,
        lambda stub, limit: stub.ReleaseSession(
            pb.ReleaseSessionRequest(session=session), timeout=limit
        ),
    )
    if not answer.success:
        raise click.ClickException(f"{session} is no live session; `asr sessions` lists them")
    click.echo(f"{session} was ended")


def _sessions_of(allocator: str | None, worker: str) -> int | None:
    """How many it has still to hand over; None once it has left."""
    answer = allocators.ask(
        allocator, lambda stub, limit: stub.ListWorkers(pb.ListWorkersRequest(), timeout=limit)
    )
    found = next((w for w in answer.workers if w.worker_name == worker), None)
    # A StatefulSet starts another under the same name: that one does not drain.
    return None if found is None or found.state != "draining" else len(found.sessions)


def _tell(console: Console, worker: str, sessions: int, *, machine: bool) -> None:
    if machine:
        click.echo(json.dumps({"worker": worker, "sessions": sessions}))
        return
    said = f"{sessions} sessions to hand over" if sessions else "empty"
    console.print(Text(f"{worker}: {said}"))
