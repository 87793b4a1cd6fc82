"""One suite for both stores of a session's state: Redis with its Lua scripts, and memory."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator

import pytest
import redis

from asr_tasks.contracts import names
from asr_tasks.contracts.errors import StaleLease
from asr_tasks.contracts.lease import Checkpoint, Lease
from asr_tasks.contracts.results import Result, Word
from asr_tasks.state.memory import MemorySessions
from asr_tasks.state.redis_sessions import RedisSessions
from asr_tasks.state.sessions import Behind, Ending, Sessions, StoreDown

Assign = Callable[[Lease], None]


@pytest.fixture(params=["memory", "redis"])
def store(request: pytest.FixtureRequest) -> Iterator[tuple[Sessions, Assign]]:
    """A store, and what an allocator would do to give a session to a lease."""
    if request.param == "memory":
        memory = MemorySessions()
        yield memory, memory.assign
        return
    url = request.getfixturevalue("redis_server").url
    client = redis.Redis.from_url(url)

    def assign(lease: Lease) -> None:
        key = names.session_key(lease.session)
        client.hset(
            key,
            mapping={
                "epoch": lease.epoch,
                "state": "assigned",
                "model": "english",
                "worker": lease.worker,
            },
        )
        client.sadd(names.SESSIONS_KEY, lease.session)

    yield RedisSessions.connect(url, result_expires=60), assign
    client.close()


def lease(epoch: int = 1, session: str | None = None) -> Lease:
    return Lease(session or str(uuid.uuid4()), "worker-0", epoch)


HELLO = Result("hello", 0.5, 1.0, final=True, words=(Word("hello", 0.5, 1.0, 0.9),), confidence=0.9)


def test_a_session_begins_at_its_start(store):
    sessions, assign = store
    owner = lease()
    assign(owner)
    claim = sessions.claim(owner)
    assert (claim.checkpoint, claim.segments, claim.commits, claim.recent) == (
        Checkpoint(),
        0,
        0,
        (),
    )


def test_a_successor_finds_what_was_committed(store):
    sessions, assign = store
    first = lease()
    assign(first)
    sessions.claim(first)
    state = bytes(range(256))
    assert sessions.commit(first, 1, [HELLO], Checkpoint(16_000, state), first=0, ended=False) == 1

    second = lease(2, first.session)
    assign(second)
    claim = sessions.claim(second)
    assert claim.checkpoint == Checkpoint(16_000, state)
    assert (claim.segments, claim.commits) == (1, 1)
    assert [(s.index, s.result) for s in claim.recent] == [(0, HELLO)]


def test_the_same_commit_again_is_a_retry(store):
    sessions, assign = store
    owner = lease()
    assign(owner)
    sessions.claim(owner)
    for _ in range(3):
        assert sessions.commit(owner, 1, [HELLO], Checkpoint(10), first=0, ended=False) == 1
    assert sessions.commit(owner, 2, [HELLO, HELLO], Checkpoint(20), first=1, ended=True) == 3
    assert sessions.transcript(owner.session) == "hello\nhello\nhello"


def test_a_stale_epoch_changes_nothing(store):
    sessions, assign = store
    old = lease()
    assign(old)
    sessions.claim(old)
    new = lease(2, old.session)
    assign(new)
    sessions.claim(new)
    for act in (
        lambda: sessions.commit(old, 1, [HELLO], Checkpoint(5), first=0, ended=False),
        lambda: sessions.finish(old, Ending("done", 1.0), commits=0),
        lambda: sessions.check(old),
        lambda: sessions.claim(old),
    ):
        with pytest.raises(StaleLease):
            act()
    assert sessions.transcript(old.session) == ""
    sessions.check(new)


def test_nothing_can_be_done_to_a_session_that_ended(store):
    sessions, assign = store
    owner = lease()
    assign(owner)
    sessions.claim(owner)
    sessions.commit(owner, 1, [HELLO], Checkpoint(16_000), first=0, ended=True)
    assert sessions.finish(owner, Ending("done", 1.0, "eos"), commits=1) == 1
    with pytest.raises(StaleLease):
        sessions.commit(owner, 2, [HELLO], Checkpoint(16_000), first=1, ended=True)
    with pytest.raises(StaleLease):
        sessions.claim(owner)


def test_only_the_result_is_left_and_it_expires(redis_server):
    client = redis.Redis.from_url(redis_server.url, decode_responses=True)
    sessions = RedisSessions.connect(redis_server.url, result_expires=60)
    owner = lease()
    client.hset(
        names.session_key(owner.session),
        mapping={"epoch": 1, "state": "assigned", "worker": "worker-0"},
    )
    client.sadd(names.SESSIONS_KEY, owner.session)
    sessions.claim(owner)
    sessions.commit(owner, 1, [HELLO], Checkpoint(16_000, b"state"), first=0, ended=True)
    assert client.hget(names.session_key(owner.session), "state") == "finishing"
    sessions.finish(owner, Ending("done", 1.25, "eos"), commits=1)

    left = [key for key in client.scan_iter("asr:*") if owner.session in key]
    assert left == [names.result_key(owner.session)]
    assert 0 < client.ttl(left[0]) <= 60
    assert not client.sismember(names.SESSIONS_KEY, owner.session)
    result = json.loads(client.get(left[0]) or "")
    assert result["segments"][0]["text"] == "hello"
    assert (result["state"], result["reason"], result["duration"]) == ("done", "eos", 1.25)


def test_two_bodies_for_one_assignment_do_not_both_start(redis_server):
    client = redis.Redis.from_url(redis_server.url)
    owner = lease()
    client.hset(names.session_key(owner.session), mapping={"epoch": 1, "state": "assigned"})
    here, elsewhere = (RedisSessions.connect(redis_server.url) for _ in range(2))
    here.claim(owner)
    here.claim(owner)  # our own retry after a lost answer
    with pytest.raises(StaleLease, match="claimed"):
        elsewhere.claim(owner)


def test_a_script_that_breaks_is_no_outage(redis_server):
    sessions, owner = RedisSessions.connect(redis_server.url), lease()
    with redis.Redis.from_url(redis_server.url) as client:
        client.set(names.session_key(owner.session), "not a hash")
    for act in (
        lambda: sessions.claim(owner),
        lambda: sessions.commit(owner, 1, [HELLO], Checkpoint(5), first=0, ended=False),
        lambda: sessions.finish(owner, Ending("done", 1.0), commits=0),
        lambda: sessions.check(owner),
    ):
        with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
            act()


def test_commits_that_redis_has_lost_are_put_back_by_their_owner(redis_server):
    """It comes back as it was two commits ago; the acknowledged audio is nowhere else."""
    sessions, owner = RedisSessions.connect(redis_server.url), lease()
    client = redis.Redis.from_url(redis_server.url)
    key, segments = names.session_key(owner.session), names.segments_key(owner.session)
    client.hset(key, mapping={"epoch": 1, "state": "assigned", "worker": owner.worker})
    sessions.claim(owner)
    sessions.commit(owner, 1, [HELLO], Checkpoint(10), first=0, ended=False)
    before = client.dump(key), client.dump(segments)
    sessions.commit(owner, 2, [HELLO], Checkpoint(20), first=1, ended=False)
    sessions.commit(owner, 3, [HELLO], Checkpoint(30), first=2, ended=False)
    for name, value in zip((key, segments), before, strict=True):
        client.restore(name, 0, value, replace=True)

    with pytest.raises(Behind) as behind:
        sessions.finish(owner, Ending("done", 1.0), commits=3)
    assert behind.value.segments == 1
    with pytest.raises(Behind):
        sessions.commit(owner, 4, [HELLO], Checkpoint(40), first=3, ended=False)
    assert sessions.commit(owner, 4, [HELLO] * 3, Checkpoint(40), first=1, ended=False) == 4
    assert sessions.finish(owner, Ending("done", 1.0), commits=4) == 4


def test_an_epoch_that_redis_has_lost_is_waited_for(redis_server):
    sessions, owner = RedisSessions.connect(redis_server.url), lease(epoch=2)
    client = redis.Redis.from_url(redis_server.url)
    key = names.session_key(owner.session)
    client.hset(key, mapping={"epoch": 2, "state": "assigned", "worker": owner.worker})
    sessions.claim(owner)
    client.hset(key, mapping={"epoch": 1, "state": "streaming", "worker": "before", "claim": "x"})
    with pytest.raises(StoreDown):
        sessions.commit(owner, 1, [HELLO], Checkpoint(10), first=0, ended=False)
    sessions.check(owner)
    # The worker's next report (heartbeat.lua):
    client.hset(key, mapping={"epoch": 2, "worker": owner.worker, "claim": ""})
    assert sessions.commit(owner, 1, [HELLO], Checkpoint(10), first=0, ended=False) == 1
