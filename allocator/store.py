"""The Lua scripts and the plain reads, by name and typed. All state is in Redis."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any, Self

import redis.asyncio

from allocator.offer import (
    Cancellation,
    GivenUp,
    Held,
    Lost,
    Offer,
    Reconciled,
    Surveyed,
    Waiting,
    pairs,
)
from allocator.redis_link import RedisLink, connected
from asr_tasks.contracts import names
from asr_tasks.contracts.errors import (
    BadParameter,
    RecogniserFailed,
    SessionEnded,
    SessionSuperseded,
)
from asr_tasks.contracts.lease import ON_TRIAL


@dataclass(frozen=True, slots=True)
class Office:
    """The right to act as leader of ``role`` during ``term``; scripts check it."""

    role: str
    term: int


class NotLeader(Exception):
    """A newer leader has been elected; what was asked for was not done."""


class Superseded(Exception):
    """A newer stream or process speaks for this worker."""


class UnknownWorker(Exception):
    """Redis does not know the worker, or it was declared gone: it has to register."""


class Store(RedisLink):
    """One Redis, seen through the scripts. Belongs to one asyncio loop.

    Every method raises BackendDown when Redis does not answer. Whether the script ran is then
    unknown; each may be repeated, and an offer that was lost that way is found by the monitor
    as a session that nobody claims.
    """

    def __init__(
        self, client: redis.asyncio.Redis, *, max_attempts: int = 3, result_expires: int = 3600
    ) -> None:
        super().__init__(client)
        self._max_attempts = max_attempts
        self._result_expires = result_expires

    @classmethod
    def connect(cls, url: str, *, max_attempts: int = 3, result_expires: int = 3600) -> Self:
        """A store over its own connections; close it."""
        return cls(connected(url), max_attempts=max_attempts, result_expires=result_expires)

    async def allocate(self, session: str, model: str) -> Offer | Held | Waiting:
        """Ask for a worker.

        Raises:
            SessionEnded: there is no such live session.
            BadParameter: the session was opened for another model.
        """
        reply = await self.call("allocate", session, model)
        match reply[0]:
            case "offer":
                return Offer.parse(reply[1:])
            case "assigned":
                return Held(reply[1], int(reply[2]))
            case "waiting":
                return Waiting(int(reply[1]))
            case "model":
                raise BadParameter(f"the session was opened for the model {reply[1]!r}")
        raise SessionEnded

    async def serve_waiting(self, model: str, office: Office | None = None) -> Offer | None:
        """The next waiting session of a model gets a free slot, if there are both."""
        reply = await self._lead("serve_waiting", [model], office)
        return Offer.parse(reply[1:]) if reply else None

    async def fail_over(
        self, lost: Lost, office: Office | None = None
    ) -> Offer | Waiting | GivenUp | None:
        """Take a session from its worker; None if that was done before."""
        hint = RecogniserFailed.hint
        args = [*lost, self._max_attempts, self._result_expires, hint, ON_TRIAL]
        reply = await self._lead("fail_over", args, office)
        match reply[0]:
            case "offer":
                return Offer.parse(reply[1:])
            case "waiting":
                return Waiting(int(reply[1]))
            case "failed":
                return GivenUp()
        return None

    async def register(
        self, worker: str, model: str, incarnation: str, stream: str, slots: int, host: str
    ) -> tuple[Lost, ...]:
        """Announce a worker; returns what the process before it owned."""
        ordinal = names.ordinal_of(worker)
        reply = await self.call(
            "register", worker, model, incarnation, stream, slots, host, ordinal
        )
        return pairs(reply)

    async def heartbeat(
        self,
        worker: str,
        incarnation: str,
        stream: str,
        sequence: int,
        state: str,
        running: Sequence[Lost],
    ) -> Reconciled | None:
        """Take a worker's report; None if a later one was there before.

        Raises:
            UnknownWorker: register first.
            Superseded: a newer stream speaks for this worker.
        """
        flat = [field for pair in running for field in pair]
        reply = await self.call("heartbeat", worker, incarnation, stream, sequence, state, *flat)
        match reply[0]:
            case "ok":
                _, model, drain, serve, cancel, lost = reply
                return Reconciled(
                    model,
                    drain == "1",
                    serve == "1",
                    tuple(Cancellation(s, int(e), why) for s, e, why in cancel),
                    tuple((s, int(e)) for s, e in lost),
                )
            case "unknown":
                raise UnknownWorker(worker)
            case "superseded":
                raise Superseded(worker)
        return None

    async def touch(self, worker: str, *, only: bool) -> None:
        """The unary sign of life; ``only``: the worker holds no stream.

        Raises:
            UnknownWorker: register first.
        """
        if (await self.call("touch", worker, "1" if only else "0"))[0] != "ok":
            raise UnknownWorker(worker)

    async def suspect(self, worker: str, stream: str) -> bool:
        """Its stream broke; False if a newer one is there already."""
        return bool(await self.call("suspect", worker, stream))

    async def declare_gone(
        self, worker: str, field: str, value: str, office: Office | None = None
    ) -> tuple[Lost, ...] | None:
        """It is gone, if ``field`` of its record still says ``value``.

        Returns:
            The sessions to fail over; None if the worker is alive.
        """
        reply = await self._lead("declare_gone", [worker, field, value], office)
        return pairs(reply[1]) if reply[0] == "gone" else None

    async def forget(self, worker: str, office: Office | None = None) -> bool:
        """Remove the record of a gone worker without sessions."""
        return bool(await self.call("forget", worker, *_office(office)))

    async def drain(self, worker: str) -> int:
        """Take it out of service.

        Returns:
            The number of sessions it has.

        Raises:
            UnknownWorker: no such worker.
        """
        sessions = int(await self.call("drain", worker))
        if sessions < 0:
            raise UnknownWorker(worker)
        return sessions

    async def cordon(self, worker: str, cordoned: bool, office: Office | None = None) -> bool:
        """Give it no new session, or do so again; False if that was so, or it is not there."""
        mark = "1" if cordoned else ""
        reply = await self.call("cordon", worker, mark, *_office(office))
        if isinstance(reply, list):
            raise NotLeader(f"{office}")
        return bool(reply)

    async def cancel(
        self,
        session: str,
        code: str,
        message: str,
        *,
        gateway_epoch: int = 0,
        unclaimed: int | None = None,
        office: Office | None = None,
    ) -> bool:
        """End a session from outside; False if it is not alive.

        Args:
            session: its id.
            code: of the error it ends with.
            message: beside it.
            gateway_epoch: of the gateway that asks, or 0.
            unclaimed: only if nobody has claimed the session in this epoch.
            office: of the monitor, when it is the one that asks.

        Raises:
            SessionSuperseded: a newer gateway owns it.
        """
        only = "" if unclaimed is None else unclaimed
        args = [session, code, message, self._result_expires, gateway_epoch, only]
        reply = await self._lead("cancel", args, office)
        if reply[0] == "superseded":
            raise SessionSuperseded
        return bool(reply[0] == "ended")

    async def survey(self, sessions: Sequence[str]) -> list[Surveyed]:
        """Those of the sessions that wait, or are not where they say they are."""
        found = await self.call("survey", *sessions)
        return [
            Surveyed(id_, state, int(epoch), model, claimed == "1", placed == "1")
            for id_, state, epoch, model, claimed, placed in found
        ]

    async def sessions(self, batch: int = 500) -> AsyncIterator[list[str]]:
        """The ids of all live sessions, in batches."""
        cursor = 0
        while True:
            cursor, found = await self.read("SSCAN", names.SESSIONS_KEY, cursor, "COUNT", batch)
            if found:
                yield list(found)
            cursor = int(cursor)
            if cursor == 0:
                return

    async def workers(self) -> dict[str, dict[str, str]]:
        """Every worker's record by name; one without a record has an empty one."""
        known = sorted(await self.read("SMEMBERS", names.WORKERS_KEY))
        records = await self.read_each([("HGETALL", names.worker_key(name)) for name in known])
        return dict(zip(known, records, strict=True))

    async def _lead(self, name: str, args: list[Any], office: Office | None) -> Any:
        reply = await self.call(name, *args, *_office(office))
        if reply and reply[0] == "leader":
            raise NotLeader(f"{office}")
        return reply


def _office(office: Office | None) -> tuple[str, str]:
    if office is None:
        return "", ""
    return names.leader_key(office.role), str(office.term)
