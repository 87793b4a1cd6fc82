"""Faults of our own processes: workers, gateways, allocators, monitors."""

from __future__ import annotations

import asyncio
import signal
import sys

from tests.faults.case import Strike, case
from tests.faults.world import MODEL, POISONABLE
from tests.support.cluster import ROOT, Component
from tests.support.eventually import eventually_async

MOST_DEATHS = 5
"""Workers that one piece of poison may kill: two that say nothing of whose it was, one more if the
session had committed before, and two that name it."""

CATCHING_UP_SECONDS = 5.0

BACKLOG_SECONDS = 5.0
"""Within which the one worker that is back has heard what everybody said while it started, some ten
seconds each: twice as fast as they talk. Here the model does three times with eight sessions of the
shortest chunks on one core, so nothing else may be in its way."""

GRACE_SECONDS = 60.0
"""What Kubernetes would wait for a worker that got SIGTERM; the processes' own limits are below."""


@case("worker killed", median=0.3, longest=2.0, alone=True)
async def worker_killed(strike: Strike) -> None:
    """kill -9 in mid-sentence."""
    worker = strike.busiest()
    hit = strike.served_by(worker)
    strike.world.cluster.named(worker).process.kill9()
    strike.now(hit)


@case("worker hung, and back", longest=5.0)
async def worker_hung(strike: Strike) -> None:
    """SIGSTOP; when it wakes up it still believes that it owns the sessions, and is refused."""
    worker = strike.busiest()
    hit = strike.served_by(worker)
    process = strike.world.cluster.named(worker).process
    process.signal(signal.SIGSTOP)
    strike.now(hit)
    await strike.pause(5.0, 7.0)
    process.signal(signal.SIGCONT)


@case("worker terminated", median=0.3, longest=2.0, alone=True)
async def worker_terminated(strike: Strike) -> None:
    """SIGTERM, as a deploy or a scale-down sends it: handed over, exit 0."""
    worker = strike.busiest()
    hit = strike.served_by(worker)
    component = strike.world.cluster.named(worker)
    component.process.signal(signal.SIGTERM)
    strike.now(hit)
    await _exits(strike, component)


@case("worker drained", median=0.3, longest=2.0, alone=True)
async def worker_drained(strike: Strike) -> None:
    """`asr drain WORKER`: handed over, exit 0."""
    worker = strike.busiest()
    hit = strike.served_by(worker)
    component = strike.world.cluster.named(worker)
    allocator = f"127.0.0.1:{strike.world.cluster.named('allocator-0').port}"
    command = "from asr_cli.main import main; main()"
    drain = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", command, "drain", worker, "--allocator", allocator),
        cwd=ROOT,
        stdout=asyncio.subprocess.DEVNULL,
    )
    strike.now(hit)
    if await asyncio.wait_for(drain.wait(), GRACE_SECONDS) != 0:
        strike.notes.append(f"asr drain exited {drain.returncode}")
    await _exits(strike, component)


@case("two workers killed", longest=4.0, deadly=True)
async def two_workers_killed(strike: Strike) -> None:
    """The owner, and within a second the one that took over."""
    first = strike.busiest()
    hit = strike.served_by(first)
    strike.world.cluster.named(first).process.kill9()
    strike.now(hit)
    await strike.pause(0.1, 0.9)
    others = [strike.world.owner(c.heard.session) for c in hit]
    second = next((o for o in others if o and o != first), f"{MODEL}-1")
    strike.world.cluster.named(second).process.kill9()


@case("every worker killed, one back", resumes=BACKLOG_SECONDS, seconds=24.0, alone=True)
async def every_worker_killed(strike: Strike) -> None:
    """Sessions wait with their audio and catch up when a worker is there again."""
    workers = strike.world.of(MODEL)
    for worker in workers:
        worker.process.kill9()
    strike.now()
    workers[0].process.start()
    await eventually_async(lambda: asyncio.to_thread(workers[0].ready), within=60, every=0.1)
    strike.returned()
    # The next round need not wait for the others, and the one has caught up by then.
    await asyncio.sleep(CATCHING_UP_SECONDS)
    for worker in workers[1:]:
        strike.world.starts.begin(worker)


@case("gateway killed", longest=2.0)
async def gateway_killed(strike: Strike) -> None:
    """kill -9: its clients come back to the other one."""
    gateway = strike.rng.choice(strike.world.of("gateway"))
    hit = strike.connected_to(gateway.name)
    gateway.process.kill9()
    strike.now(hit)


@case("gateway hung, and back", longest=8.0)
async def gateway_hung(strike: Strike) -> None:
    """SIGSTOP: clients find out by its silence; when it wakes up their sessions are elsewhere."""
    gateway = strike.rng.choice(strike.world.of("gateway"))
    hit = strike.connected_to(gateway.name)
    gateway.process.signal(signal.SIGSTOP)
    strike.now(hit)
    await strike.pause(8.0, 12.0)
    gateway.process.signal(signal.SIGCONT)


@case("gateway terminated", longest=2.0)
async def gateway_terminated(strike: Strike) -> None:
    """SIGTERM: it says so, and clients move."""
    gateway = strike.rng.choice(strike.world.of("gateway"))
    hit = strike.connected_to(gateway.name)
    gateway.process.signal(signal.SIGTERM)
    strike.now(hit)
    await _exits(strike, gateway)


@case("allocator killed", median=0.3, longest=2.0)
async def allocator_killed(strike: Strike) -> None:
    """One of two: running sessions do not notice."""
    strike.rng.choice(strike.world.of("allocator")).process.kill9()
    strike.now()


@case("every allocator killed, back after 5 s", median=0.3, longest=2.0)
async def every_allocator_killed(strike: Strike) -> None:
    """Nobody decides anything; running sessions do not notice."""
    allocators = strike.world.of("allocator")
    for allocator in allocators:
        allocator.process.kill9()
    strike.now()
    await asyncio.sleep(5.0)
    for allocator in allocators:
        allocator.process.start()


@case("allocator hung, and back", median=0.3, longest=2.0)
async def allocator_hung(strike: Strike) -> None:
    """SIGSTOP longer than any heartbeat."""
    allocator = strike.rng.choice(strike.world.of("allocator"))
    allocator.process.signal(signal.SIGSTOP)
    strike.now()
    await strike.pause(5.0, 7.0)
    allocator.process.signal(signal.SIGCONT)


@case("allocator terminated", median=0.3, longest=2.0)
async def allocator_terminated(strike: Strike) -> None:
    """SIGTERM: workers attach to the other one."""
    allocator = strike.rng.choice(strike.world.of("allocator"))
    allocator.process.signal(signal.SIGTERM)
    strike.now()
    await _exits(strike, allocator)


@case("monitor killed, then a worker", longest=5.0, deadly=True)
async def monitor_killed(strike: Strike) -> None:
    """The leader dies, and just then a worker: the next leader finds it."""
    strike.world.leader().process.kill9()
    await _kill_worker(strike)


@case("monitor hung, then a worker", longest=5.0, deadly=True)
async def monitor_hung(strike: Strike) -> None:
    """The leader is stopped, another elected; what the old one then tries is refused."""
    leader = strike.world.leader()
    leader.process.signal(signal.SIGSTOP)
    await _kill_worker(strike)
    await eventually_async(lambda: strike.world.leader() is not leader, within=10)
    await strike.pause(0.0, 1.0)
    leader.process.signal(signal.SIGCONT)


@case("monitor terminated, then a worker", longest=2.0, alone=True)
async def monitor_terminated(strike: Strike) -> None:
    """SIGTERM: the leader resigns, another takes over at once."""
    leader = strike.world.leader()
    leader.process.signal(signal.SIGTERM)
    await _kill_worker(strike)
    await _exits(strike, leader)


@case("poison chunk", model=POISONABLE, poison=True, deadly=True)
async def poison_chunk(strike: Strike) -> None:
    """Audio that kills the worker that hears it: its session fails, everybody else goes on."""
    poisoned = strike.callers[0]
    strike.failing[poisoned.heard.clip.name] = "recogniser_failed"
    workers = strike.world.of(POISONABLE)
    died = 0
    strike.now()
    async with asyncio.timeout(60):
        while not poisoned.finished.is_set():
            for worker in workers:
                if not worker.process.alive:
                    died += 1
                    worker.process.start()  # as a StatefulSet does
            await asyncio.sleep(0.05)
    if not 1 <= died <= MOST_DEATHS:
        strike.notes.append(f"{died} workers died of the poison")


@case("rolling deploy", median=0.5, longest=3.0, seconds=75.0, deadly=True, everyone=True)
async def rolling_deploy(strike: Strike) -> None:
    """Everything restarted, one after the other, while people talk."""
    strike.now()
    for role in ("allocator", "monitor", "gateway", MODEL):
        for component in strike.world.of(role):
            component.process.signal(signal.SIGTERM)
            await _exits(strike, component)
            component.process.start()
            await eventually_async(
                lambda c=component: asyncio.to_thread(c.ready), within=60, every=0.1
            )


async def _kill_worker(strike: Strike) -> None:
    worker = strike.busiest()
    hit = strike.served_by(worker)
    strike.world.cluster.named(worker).process.kill9()
    strike.now(hit)


async def _exits(strike: Strike, component: Component) -> None:
    """It ends by itself, with status 0."""
    code = await asyncio.to_thread(component.process.wait, GRACE_SECONDS)
    if code != 0:
        strike.notes.append(f"{component.name} exited {code}")
