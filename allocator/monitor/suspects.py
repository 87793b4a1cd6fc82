"""Workers whose control stream broke: dead, unless they are back within a short grace."""

from __future__ import annotations

import asyncio

from allocator import metrics
from allocator.moves import Moves
from allocator.offer import Lost
from allocator.policy import has_stable_name
from allocator.store import Office
from asr_tasks import log
from asr_tasks.contracts import names

_log = log.get("asr.monitor")


async def judge(moves: Moves, worker: str, grace: float, office: Office) -> None:
    """Wait out the grace, then take the worker's sessions from it if it is still a suspect."""
    key = names.worker_key(worker)
    stream = await moves.store.read("HGET", key, "suspect")
    if not stream:
        return
    await asyncio.sleep(grace)
    # Bound to the stream that broke: a worker that came back has another, or is no suspect.
    lost = await moves.store.declare_gone(worker, "suspect", stream, office)
    if lost is not None:
        await bury(moves, worker, lost, "stream broke", office)


async def bury(moves: Moves, worker: str, lost: tuple[Lost, ...], why: str, office: Office) -> None:
    """Move what a gone worker had, then remove its record.

    Crash at any line: it is still a gone worker with sessions, and the next look goes on here.
    """
    _log.warning("worker gone", worker=worker, why=why, sessions=len(lost))
    metrics.EXPIRED.labels(why).inc()
    await moves.fail_over(lost, "worker gone", office)
    if await moves.store.forget(worker, office) and not has_stable_name(worker):
        moves.forget(worker)
