"""Both state machines under anything that can happen in any order, against the real scripts.

Each rule is one script, or one thing that a process does or fails to do. What a script answered
may be acted on or dropped (its caller died): the invariants hold all the same.
"""

from __future__ import annotations

import asyncio
import contextlib
import json

import pytest
import redis
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from allocator.offer import Offer
from allocator.store import Store, Superseded, UnknownWorker
from asr_tasks.contracts import names
from asr_tasks.contracts.errors import SessionEnded, StaleLease
from asr_tasks.contracts.lease import Checkpoint, Lease
from asr_tasks.contracts.results import Result
from asr_tasks.contracts.states import SESSION_MOVES, WORKER_MOVES, SessionState, WorkerState
from asr_tasks.state.redis_sessions import RedisSessions
from asr_tasks.state.sessions import Ending
from tests.support.allocator import FakeWorker, open_session

pytestmark = pytest.mark.integration

MODEL = "english"
SLOTS = {"worker-0": 1, "worker-1": 2, "worker-2": 1}
OWNED = (SessionState.ASSIGNED, SessionState.STREAMING, SessionState.FINISHING)

workers = st.sampled_from(sorted(SLOTS))
pick = st.integers(0, 1_000_000)


class Body:
    """A running stream task."""

    def __init__(self, lease: Lease) -> None:
        self.lease = lease
        self.commits = self.segments = 0


class Allocation(RuleBasedStateMachine):
    url = ""

    @initialize()
    def begin(self):
        self.loop = asyncio.new_event_loop()
        self.client = redis.Redis.from_url(self.url, decode_responses=True)
        self.client.flushdb()
        self.store = Store.connect(self.url)
        self.state = {name: RedisSessions.connect(self.url) for name in SLOTS}
        self.workers = {name: FakeWorker(self.store, name, n) for name, n in SLOTS.items()}
        self.bodies: dict[str, list[Body]] = {name: [] for name in SLOTS}
        self.dispatched: list[Offer] = []
        self.lost: list[tuple[str, int]] = []
        self.sessions: list[str] = []
        self.seen: dict[str, tuple[str, int]] = {}
        self.seen_workers = dict.fromkeys(SLOTS, "idle")
        self.offered: dict[str, int] = {}
        for fake in self.workers.values():
            self.do(fake.register())
            self.do(fake.report("starting"))
            self.do(fake.report("ready"))

    def teardown(self):
        if hasattr(self, "loop"):
            self.do(self.store.close())
            self.loop.close()
            self.client.close()

    def do(self, work):
        return self.loop.run_until_complete(asyncio.wait_for(work, 10))

    def take(self, answer):
        if isinstance(answer, Offer):
            assert answer.epoch > self.offered.get(answer.session, 0), "an epoch was given twice"
            self.offered[answer.session] = answer.epoch
            self.dispatched.append(answer)

    # What workers do

    @rule(worker=workers)
    def boot(self, worker):
        """The process dies, if there was one, and starts anew."""
        self.bodies[worker].clear()
        self.workers[worker].boot()
        self.lost += self.do(self.workers[worker].register())

    @rule(worker=workers)
    def come_back(self, worker):
        """A new stream of the same process."""
        self.lost += self.do(self.workers[worker].register())

    @rule(
        worker=workers, state=st.sampled_from(["starting", "ready", "ready", "ready", "draining"])
    )
    def report(self, worker, state):
        fake = self.workers[worker]
        fake.running = [(b.lease.session, b.lease.epoch) for b in self.bodies[worker]]
        try:
            answer = self.do(fake.report(state))
        except (UnknownWorker, Superseded):
            return
        assert answer is not None
        cancelled = {(c.session, c.epoch) for c in answer.cancel}
        for body in list(self.bodies[worker]):
            key = (body.lease.session, body.lease.epoch)
            owner = self.client.hmget(names.session_key(key[0]), "worker", "epoch")
            if owner == [worker, str(key[1])]:
                assert key not in cancelled  # an owner is never told to stop
            elif key in cancelled:
                self.bodies[worker].remove(body)
        self.lost += answer.lost

    @precondition(lambda self: self.dispatched)
    @rule(n=pick, keep=st.booleans())
    def deliver(self, n, keep):
        """A dispatch arrives (perhaps once more, later); its body claims the session or leaves."""
        offer = self.dispatched[n % len(self.dispatched)]
        if not keep:
            self.dispatched.remove(offer)
        lease = Lease(offer.session, offer.worker, offer.epoch)
        if any(b.lease == lease for b in self.bodies[offer.worker]):
            return  # `running.enter` refuses it
        try:
            claim = self.state[offer.worker].claim(lease)
        except StaleLease:
            return
        body = Body(lease)
        body.commits, body.segments = claim.commits, claim.segments
        self.bodies[offer.worker].append(body)

    def body(self, n):
        every = [(w, b) for w in sorted(self.bodies) for b in self.bodies[w]]
        return every[n % len(every)] if every else (None, None)

    @rule(n=pick, ended=st.booleans())
    def commit(self, n, ended):
        worker, body = self.body(n)
        if body is None:
            return
        owns = self.owns(worker, body)
        try:
            self.state[worker].commit(
                body.lease,
                body.commits + 1,
                [Result("word", final=True)],
                Checkpoint(),
                first=body.segments,
                ended=ended,
            )
        except StaleLease:
            assert not owns
        else:
            assert owns
            body.commits += 1
            body.segments += 1

    @rule(n=pick)
    def finish(self, n):
        worker, body = self.body(n)
        if body is None:
            return
        owns = self.owns(worker, body)
        try:
            self.state[worker].finish(body.lease, Ending("done", 1.0, "eos"), commits=body.commits)
        except StaleLease:
            assert not owns
        else:
            assert owns
        self.bodies[worker].remove(body)

    @rule(n=pick)
    def crash(self, n):
        """A body ends without ending its session: an exception, or a hand-over."""
        worker, body = self.body(n)
        if body is not None:
            self.bodies[worker].remove(body)

    def owns(self, worker, body):
        now = self.client.hmget(names.session_key(body.lease.session), "worker", "epoch")
        return now == [worker, str(body.lease.epoch)]

    # What gateways and operators do

    @rule(priority=st.integers(-2, 2))
    def open(self, priority):
        session = self.do(open_session(self.store, MODEL, priority))
        self.sessions.append(session)
        self.take(self.do(self.store.allocate(session, MODEL)))

    @precondition(lambda self: self.sessions)
    @rule(n=pick)
    def ask_again(self, n):
        session = self.sessions[n % len(self.sessions)]
        before = self.client.hget(names.session_key(session), "state")
        try:
            answer = self.do(self.store.allocate(session, MODEL))
        except SessionEnded:
            return
        assert before == "waiting" or not isinstance(answer, Offer)
        self.take(answer)

    @precondition(lambda self: self.sessions)
    @rule(n=pick)
    def cancel(self, n):
        self.do(self.store.cancel(self.sessions[n % len(self.sessions)], "cancelled", ""))

    @rule(worker=workers)
    def drain(self, worker):
        with contextlib.suppress(UnknownWorker):
            self.do(self.store.drain(worker))

    # What servers and the monitor do

    @rule(worker=workers, cordoned=st.booleans())
    def cordon(self, worker, cordoned):
        self.do(self.store.cordon(worker, cordoned))

    @rule(worker=workers, latest=st.booleans())
    def suspect(self, worker, latest):
        self.do(self.store.suspect(worker, self.workers[worker].stream if latest else "older"))

    @rule(worker=workers)
    def declare_gone(self, worker):
        beat = self.client.hget(names.worker_key(worker), "beat") or ""
        self.lost += self.do(self.store.declare_gone(worker, "beat", beat)) or ()

    @rule(worker=workers)
    def forget(self, worker):
        self.do(self.store.forget(worker))

    @precondition(lambda self: self.lost)
    @rule(n=pick, again=st.booleans())
    def fail_over(self, n, again):
        lost = self.lost[n % len(self.lost)]
        if not again:
            self.lost.remove(lost)
        self.take(self.do(self.store.fail_over(lost)))

    @precondition(lambda self: self.sessions)
    @rule(n=pick)
    def find_unclaimed_or_astray(self, n):
        session = self.sessions[n % len(self.sessions)]
        for found in self.do(self.store.survey([session])):
            if found.state == "assigned" or (found.state != "waiting" and not found.placed):
                self.take(self.do(self.store.fail_over((session, found.epoch))))

    @rule()
    def serve(self):
        while (offer := self.do(self.store.serve_waiting(MODEL))) is not None:
            self.take(offer)
        free = self.client.zcard(names.free_key(MODEL))
        waiting = self.client.zcard(names.waiting_key(MODEL))
        assert not (free and waiting)

    # What always holds

    @invariant()
    def sessions_are_sound(self):
        for session in getattr(self, "sessions", ()):
            now = self.client.hgetall(names.session_key(session))
            if not now:
                self.ended(session)
                continue
            state, epoch = now["state"], int(now["epoch"])
            queued = self.client.zscore(names.waiting_key(MODEL), session) is not None
            holders = [
                name
                for name in SLOTS
                if self.client.sismember(names.worker_sessions_key(name), session)
            ]
            assert self.client.sismember(names.SESSIONS_KEY, session)
            if state in OWNED:
                assert now["worker"] in holders
                assert not queued
            else:
                assert state == SessionState.WAITING
                assert now["worker"] == ""
                assert queued
            before, was = self.seen.get(session, ("waiting", 0))
            assert epoch >= was
            assert state == before or state in SESSION_MOVES[SessionState(before)]
            assert int(now.get("attempts", 0)) <= 3
            self.seen[session] = (state, epoch)
            able = [
                body for name in SLOTS for body in self.bodies[name]
                if body.lease.session == session and self.owns(name, body)
            ]  # fmt: skip
            assert len(able) <= 1

    def ended(self, session):
        assert json.loads(self.client.get(names.result_key(session)))["state"] in ("done", "failed")
        assert not self.client.sismember(names.SESSIONS_KEY, session)
        assert self.client.zscore(names.waiting_key(MODEL), session) is None
        assert not self.client.exists(names.segments_key(session), names.snapshot_key(session))

    @invariant()
    def workers_are_sound(self):
        for name, slots in SLOTS.items() if hasattr(self, "client") else ():
            now = self.client.hgetall(names.worker_key(name))
            held = self.client.smembers(names.worker_sessions_key(name))
            owned = [s for s in held if self.client.hget(names.session_key(s), "worker") == name]
            assert len(owned) <= slots, "a slot was given twice"
            state = now.get("state", "gone")
            ready = state in ("idle", "busy")
            barred = now.get("suspect") or now.get("cordoned")
            free = ready and not barred and len(held) < slots
            score = self.client.zscore(names.free_key(MODEL), name)
            assert (score is not None) == free
            if free:
                assert score == names.ordinal_of(name)
            if ready:
                assert (state == "idle") == (not held)
            self.moved(name, state)

    def moved(self, name, state):
        before = WorkerState(self.seen_workers.get(name, "gone"))
        after = WorkerState(state)
        # A script may make two moves at once: a new boot is gone and starting; a worker that
        # comes back with sessions is idle and busy.
        one = WORKER_MOVES[before]
        two = {last for step in one for last in WORKER_MOVES[step]}
        assert after == before or after in one | two, f"{before} to {after}"
        self.seen_workers[name] = state


def test_no_order_of_events_breaks_an_invariant(redis_server):
    class Here(Allocation):
        url = redis_server.url

    run_state_machine_as_test(
        Here,
        settings=settings(
            max_examples=40,
            stateful_step_count=50,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
