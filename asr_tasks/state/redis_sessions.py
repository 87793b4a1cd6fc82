"""A session's state in Redis: one Lua script a transition."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from asr_tasks.contracts import names
from asr_tasks.contracts.errors import StaleLease
from asr_tasks.contracts.lease import Checkpoint, Lease
from asr_tasks.contracts.results import Result, Segment
from asr_tasks.state.outage import is_outage
from asr_tasks.state.scripts import source
from asr_tasks.state.sessions import RECENT, Behind, Claim, Ending, StoreDown

COMMAND_TIMEOUT = 2.0
"""Seconds one command to Redis may take before it counts as unreachable."""

MAX_CONNECTIONS = 50
"""Connections of one worker; a stream's command beyond waits for one, as long as for an answer."""


@contextmanager
def _outages() -> Iterator[None]:
    """Turn what may pass into StoreDown. A bug (in a script, say) is raised as it is: the task
    breaks with it, and the attempts of its session are counted.
    """
    try:
        yield
    except redis.RedisError as error:
        if not is_outage(error):
            raise
        raise StoreDown(str(error)) from error


class RedisSessions:
    """Implements :class:`~asr_tasks.state.sessions.Sessions`.

    Thread-safe: the client pools its connections.
    """

    def __init__(self, client: redis.Redis, *, result_expires: int = 3600) -> None:
        self._redis = client
        self._expires = result_expires
        self._claim_word = uuid.uuid4().hex
        here = "asr_tasks.state"
        self._claim = client.register_script(source(here, "claim"))
        self._commit = client.register_script(source(here, "commit"))
        self._finish = client.register_script(source(here, "finish"))
        self._trial = client.register_script(source(here, "trial"))

    @classmethod
    def connect(cls, url: str, *, result_expires: int = 3600) -> RedisSessions:
        """A store over its own connection pool; fails fast, retrying is the caller's."""
        pool = redis.BlockingConnectionPool.from_url(
            url,
            max_connections=MAX_CONNECTIONS,
            timeout=COMMAND_TIMEOUT,
            socket_timeout=COMMAND_TIMEOUT,
            socket_connect_timeout=COMMAND_TIMEOUT,
            retry=Retry(NoBackoff(), 0),
            health_check_interval=0,
        )
        return cls(redis.Redis.from_pool(pool), result_expires=result_expires)

    def claim(self, lease: Lease, *, reports: int | None = None) -> Claim:
        reply = self._call(
            self._claim,
            lease,
            [names.session_key(lease.session), names.snapshot_key(lease.session)],
            [lease.epoch, self._word(lease), "" if reports is None else reports],
        )
        checkpoint = Checkpoint(int(reply[1]), bytes(reply[4]))
        segments = int(reply[2])
        recent = self._recent(lease.session) if segments else ()
        return Claim(checkpoint, segments, int(reply[3]), int(reply[5]), recent)

    def commit(
        self,
        lease: Lease,
        serial: int,
        finals: Sequence[Result],
        checkpoint: Checkpoint,
        *,
        first: int,
        ended: bool,
        on_trial: bool = False,
    ) -> int:
        bodies = [_without_index(Segment(0, final)) for final in finals]
        reply = self._call(
            self._commit,
            lease,
            [
                names.session_key(lease.session),
                names.segments_key(lease.session),
                names.snapshot_key(lease.session),
            ],
            [
                lease.epoch,
                self._word(lease),
                lease.worker,
                serial,
                first,
                checkpoint.position,
                checkpoint.state,
                "1" if ended else "0",
                "1" if on_trial else "0",
                *bodies,
            ],
        )
        return int(reply[1])

    def finish(self, lease: Lease, ending: Ending, *, commits: int) -> int:
        reply = self._call(
            self._finish,
            lease,
            [
                names.session_key(lease.session),
                names.segments_key(lease.session),
                names.snapshot_key(lease.session),
                names.result_key(lease.session),
                names.SESSIONS_KEY,
            ],
            [
                lease.session,
                lease.epoch,
                ending.state,
                ending.code,
                ending.message,
                round(ending.duration, 3),
                ending.reason,
                self._expires,
                self._word(lease),
                lease.worker,
                commits,
            ],
        )
        return int(reply[1])

    def note_trial(self, lease: Lease, *, at_work: bool) -> None:
        keys = [names.session_key(lease.session)]
        self._call(self._trial, lease, keys, [lease.epoch, "1" if at_work else "0"])

    def check(self, lease: Lease) -> None:
        with _outages():
            epoch = self._redis.hget(names.session_key(lease.session), "epoch")
        # A lower one: Redis has lost its last moments; our next report puts it right.
        if epoch is None or int(epoch) > lease.epoch:
            raise StaleLease

    def transcript(self, session: str) -> str:
        with _outages():
            raw = self._redis.lrange(names.segments_key(session), 0, -1)
        texts = (Segment.from_json(segment).result.text for segment in raw)
        return "\n".join(text for text in texts if text)

    def _recent(self, session: str) -> tuple[Segment, ...]:
        with _outages():
            raw = self._redis.lrange(names.segments_key(session), -RECENT, -1)
        return tuple(Segment.from_json(one) for one in raw)

    def _word(self, lease: Lease) -> str:
        # This process's and this epoch's: a repeated call of ours passes, a second body for the
        # same assignment (a dispatch delivered twice) does not start because `running` refuses it
        # in this process and the word refuses it elsewhere.
        return f"{self._claim_word}:{lease.epoch}"

    @staticmethod
    def _call(script: Any, lease: Lease, keys: list[str], args: list[Any]) -> list[Any]:
        with _outages():
            reply: list[Any] = script(keys=keys, args=args)
        if int(reply[0]) != 1:
            reason = bytes(reply[1]).decode()
            if reason == "behind":
                raise Behind(int(reply[2]))
            if reason == "lost":
                raise StoreDown("Redis came back without its last moments")
            raise StaleLease(f"session {lease.session}, epoch {lease.epoch}: {reason}")
        return reply


def _without_index(segment: Segment) -> str:
    """The JSON object after its first member: the index is given by the script."""
    return segment.to_json().split(",", 1)[1].lstrip()
