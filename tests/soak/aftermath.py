"""After the last caller has left: nothing of them may stay."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from asr_tasks.contracts import names
from asr_tasks.transport.queues import EXPIRES_MS
from tests.soak import probes
from tests.soak.sampler import Sampler
from tests.support.cluster import Cluster
from tests.support.eventually import eventually_async

GONE_SECONDS: Final = 60.0
"""The longest resume window of a caller that hung up is 10 s; its audio is then transcribed."""
LIST_SECONDS: Final = 5.0
EXPIRY_SECONDS: Final = EXPIRES_MS / 1000 + 60


@dataclass(frozen=True, slots=True)
class Check:
    """Something that has to be so."""

    what: str
    good: bool
    detail: str = ""


async def checks(cluster: Cluster, sampler: Sampler, *, orphans: bool, ran: float) -> list[Check]:
    """Wait for each to come true; what did not is told with what was left.

    Args:
        orphans: a gateway went away, and callers who never came back may have been among its own.
        ran: seconds that callers came and went.
    """
    client = sampler.client
    wanted: dict[str, Callable[[], object]] = {
        "every component is ready": lambda: [
            c.name for c in cluster.components if not (c.process.alive and c.ready())
        ],
        "no session is live": lambda: sorted(client.smembers(names.SESSIONS_KEY)),
        "no slot is taken": lambda: probes.slots_in_use(client),
        "nobody waits for a worker": lambda: client.zrange(names.waiting_key("english"), 0, -1),
        "no key of a session is left": lambda: sorted(client.scan_iter("asr:session:*")),
        "every slot is on offer": lambda: _missing(cluster, client.zrange(_FREE, 0, -1)),
    }
    found = [await _empty(what, left) for what, left in wanted.items()]
    if sampler.broker.answers:
        found.append(await _queues(sampler.broker, orphans=orphans, ran=ran))
    return found


async def _queues(broker: probes.Broker, *, orphans: bool, ran: float) -> Check:
    """The queues of an orphan are the broker's to delete, when nobody has used them for long.

    A short soak does not wait for that: there it is enough that nobody uses them.
    """
    what = "no queue of a session is left"
    check = await _empty(what, broker.session_queues, every=LIST_SECONDS)
    if check.good or not orphans:
        return check
    if ran >= EXPIRY_SECONDS:
        return await _empty(what, broker.session_queues, within=EXPIRY_SECONDS, every=LIST_SECONDS)
    queues = await asyncio.to_thread(broker.session_queues)
    used = {name: consumers for name, consumers in queues.items() if consumers}
    if used:
        return Check(what, False, f"used: {used}")
    return Check(
        f"{what} but those that wait for their expiry, {EXPIRES_MS / 60_000:.0f} min unused",
        True,
        f"{len(queues)}, of callers who hung up and whose gateway went away",
    )


_FREE: Final = names.free_key("english")


def _missing(cluster: Cluster, free: object) -> list[str]:
    workers = [c.name for c in cluster.components if c.name.startswith("worker")]
    return [name for name in workers if not isinstance(free, list) or name not in free]


async def _empty(
    what: str, left: Callable[[], object], *, within: float = GONE_SECONDS, every: float = 0.5
) -> Check:
    last: object = None

    async def look() -> bool:
        nonlocal last
        last = await asyncio.to_thread(left)
        return not last

    nothing: Callable[[], Awaitable[bool] | bool] = look
    try:
        await eventually_async(nothing, within=within, every=every)
    except Exception as error:  # a server that does not answer is a finding too
        return Check(what, False, f"left: {last}" if last else repr(error))
    return Check(what, True)
