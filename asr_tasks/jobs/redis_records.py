"""Jobs in Redis for who works on them: blocking, one Lua script a change."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from asr_tasks.contracts import names
from asr_tasks.contracts.errors import BackendDown
from asr_tasks.contracts.jobs import JobRequest, JobState
from asr_tasks.contracts.transcript import Transcript
from asr_tasks.jobs.records import (
    PACKAGE,
    SCRIPTS,
    Kept,
    Stretch,
    create_keys,
    end_keys,
    kept_from,
    request_json,
)
from asr_tasks.state.outage import is_outage
from asr_tasks.state.scripts import source

COMMAND_TIMEOUT = 5.0
"""Seconds one command may take before Redis counts as unreachable."""


class Over(Exception):
    """The job has ended, or there is none: what is being done for it is not wanted any more."""


class JobRecords:
    """The records of jobs. Thread-safe.

    Every method raises BackendDown when Redis does not answer; whatever was asked may be asked
    again.
    """

    def __init__(self, client: redis.Redis, *, expires: int) -> None:
        self._redis: Any = client  # its types do not know that answers are decoded
        self._expires = expires
        self._scripts = {name: client.register_script(source(PACKAGE, name)) for name in SCRIPTS}

    @classmethod
    def connect(cls, url: str, *, expires: int) -> JobRecords:
        """Records over connections of their own; ``expires``: seconds a job is kept when over."""
        client = redis.Redis.from_url(
            url,
            decode_responses=True,
            socket_timeout=COMMAND_TIMEOUT,
            socket_connect_timeout=COMMAND_TIMEOUT,
            retry=Retry(NoBackoff(), 1),
        )
        return cls(client, expires=expires)

    def close(self) -> None:
        """Close the connections."""
        self._redis.close()

    def create(self, job: str, request: JobRequest) -> bool:
        """Keep a job; False if it was there."""
        return bool(self._run("create", create_keys(job), job, request_json(request)))

    def begin(self, job: str, duration: float, channels: int) -> tuple[int, bool]:
        """It is being worked on. Returns the position to go on from, and whether all is cut.

        Raises:
            Over: see there; as in all that follow.
        """
        reply = self._wanted("begin", [names.job_key(job)], duration, channels)
        return int(reply[1]), reply[2] == "1"

    def cut(
        self, job: str, begin: int, end: int, pieces: Sequence[Stretch], *, last: bool
    ) -> tuple[int, bool, int]:
        """Add pieces. Returns the position, whether all is cut, the first index or -1."""
        texts = [piece.to_text() for piece in pieces]
        keys = names.job_keys(job)[:3]
        reply = self._wanted("cut", keys, begin, end, "1" if last else "0", *texts)
        return int(reply[1]), reply[2] == "1", int(reply[3])

    def hear(self, job: str, said: Mapping[int, str]) -> bool:
        """Keep what was said. Returns whether all of the job is heard."""
        flat = [part for pair in said.items() for part in pair]
        return bool(self._wanted("hear", names.job_keys(job)[:3], *flat)[1])

    def try_(self, job: str, what: str) -> int:
        """Count a try. Returns how many that makes."""
        keys = [names.job_keys(job)[0], names.job_keys(job)[3]]
        tries = int(self._run("try", keys, what))
        if not tries:
            raise Over
        return tries

    def end(
        self, job: str, state: JobState, code: str = "", message: str = "", transcript: str = ""
    ) -> bool:
        """It is over; False if it was before."""
        arguments = [job, state.value, code, message, transcript, self._expires]
        return bool(self._run("finish", end_keys(job), *arguments))

    def nudge(self, job: str, serial: int) -> bool:
        """Whether nothing happened since ``serial``; then it is for the caller to see to it."""
        return bool(self._run("nudge", [names.job_key(job)], serial))

    def look(self, jobs: Sequence[str]) -> list[Kept]:
        """Those of the jobs that there are."""
        if not jobs:
            return []
        now, *rows = self._run("look", [names.job_key(job) for job in jobs])
        found = (kept_from(job, row, float(now)) for job, row in zip(jobs, rows, strict=True))
        return [kept for kept in found if kept is not None]

    def live(self) -> list[str]:
        """The jobs that are not over."""
        with _outages():
            return sorted(self._redis.smembers(names.LIVE_JOBS_KEY))

    def stretches(self, job: str) -> tuple[list[Stretch], dict[int, str]]:
        """The job's pieces in order, and what was said in those that are heard."""
        _, pieces, heard, *_ = names.job_keys(job)
        with _outages():
            cut, said = self._redis.hgetall(pieces), self._redis.hgetall(heard)
        found = sorted((int(index), text) for index, text in cut.items())
        return (
            [Stretch.from_text(index, text) for index, text in found],
            {int(index): text for index, text in said.items()},
        )

    def transcript(self, job: str) -> Transcript | None:
        """Of a job that is done, while it is kept."""
        with _outages():
            text = self._redis.get(names.job_keys(job)[4])
        return Transcript.from_json(text) if text else None

    def unheard(self, job: str, first: int, last: int) -> list[Stretch]:
        """Those of the pieces from ``first`` to ``last`` in which something is to be heard yet."""
        _, pieces, heard, *_ = names.job_keys(job)
        indices = range(first, last + 1)
        with _outages():
            cut = self._redis.hmget(pieces, indices)
            said = self._redis.hmget(heard, indices)
        return [
            Stretch.from_text(index, text)
            for index, text, known in zip(indices, cut, said, strict=True)
            if text is not None and known is None
        ]

    def _wanted(self, name: str, keys: list[str], *arguments: Any) -> list[Any]:
        reply: list[Any] = self._run(name, keys, *arguments)
        if not reply[0]:
            raise Over
        return reply

    def _run(self, name: str, keys: list[str], *arguments: Any) -> Any:
        with _outages():
            return self._scripts[name](keys=keys, args=arguments)


@contextmanager
def _outages() -> Iterator[None]:
    try:
        yield
    except redis.RedisError as error:
        if not is_outage(error):
            raise
        raise BackendDown(f"redis: {error}") from error
