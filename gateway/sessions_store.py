"""Sessions in Redis as a gateway sees them: open, attach, accept, end, fail."""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from typing import Any, Final

from redis.asyncio import Redis

from asr_tasks.contracts import names
from asr_tasks.contracts.errors import AsrError, NotYourSession, SessionEnded
from asr_tasks.contracts.results import Segment
from asr_tasks.contracts.states import WorkerState
from gateway.redis_link import RedisLink, connected
from gateway.session_records import Attached, Opening, Outcome, View, digest

GATEWAY_EXPIRES: Final = 15
"""Seconds a gateway's beat stays after its last one."""


class Fenced(Exception):
    """The session belongs to a newer gateway connection, or is gone from Redis."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.gone = reason == "gone"


class SessionsStore:
    """One per gateway. Every method raises BackendDown when Redis does not answer, and an internal
    AsrError when it refuses what a bug of ours asks for.
    """

    def __init__(self, redis: Redis, gateway: str, result_expires: int) -> None:
        self.redis = redis
        self._gateway = gateway
        self._expires = result_expires
        self._link = RedisLink(redis, ("open", "attach", "accept", "end", "fail"))

    @classmethod
    def connect(cls, url: str, gateway: str, result_expires: int) -> SessionsStore:
        """A store over its own pool; commands fail fast and are repeated by whoever waits."""
        return cls(connected(url), gateway, result_expires)

    async def close(self) -> None:
        """Close the connections."""
        await self.redis.aclose()

    async def open(self, session: str, opening: Opening) -> str:
        """Create a session with gateway epoch 1.

        Returns:
            Its token, of which Redis has only the hash.

        Raises:
            NotYourSession: the id is in use, or was until a while ago.
        """
        token = secrets.token_urlsafe(24)
        fields = {
            "model": opening.model,
            "language": opening.language,
            "client": opening.client,
            "task": opening.task,
            "priority": opening.priority,
            "source": opening.source,
            "options": json.dumps(dict(opening.options)),
            "resume": opening.resume_seconds,
            "gateway": self._gateway,
        }
        pairs = [item for pair in fields.items() for item in pair]
        keys = [names.session_key(session), names.result_key(session), names.SESSIONS_KEY]
        reply = await self._link.run("open", keys, [session, digest(token), *pairs])
        if int(reply[0]) != 1:
            raise NotYourSession("a session with this id exists; resuming it takes its token")
        return token

    async def attach(self, session: str, token: str) -> tuple[Attached, str] | Outcome:
        """Take a session over from whatever connection has it.

        Returns:
            The session and its new token, or what is left of it if it has ended.

        Raises:
            NotYourSession: the token is not one of its last two.
            SessionEnded: there is no such session.
        """
        new = secrets.token_urlsafe(24)
        keys = [names.session_key(session), names.result_key(session)]
        reply = await self._link.run("attach", keys, [digest(token), digest(new), self._gateway])
        match int(reply[0]):
            case 1:
                fields = [_text(value) for value in reply[1:]]
                return (
                    Attached(
                        gateway_epoch=int(fields[0]),
                        accepted=int(fields[1] or 0),
                        ended=int(fields[2]) if fields[2] else None,
                        model=fields[3],
                        source=fields[4],
                        assigned=int(fields[5] or 0) > 0,
                        resume_seconds=float(fields[6] or 0),
                    ),
                    new,
                )
            case 2:
                outcome = Outcome.from_json(reply[1])
                if not outcome.admits(token):
                    raise NotYourSession
                return outcome
            case _:
                if _text(reply[1]) == "token":
                    raise NotYourSession
                raise SessionEnded

    async def accept(
        self, positions: Sequence[tuple[str, int, int]]
    ) -> list[Fenced | AsrError | None]:
        """Note what is durable, for many sessions at once, before their clients are told.

        Args:
            positions: session, gateway epoch, samples.

        Returns:
            One entry per session: None, or why it was refused.
        """
        calls = [
            ([names.session_key(session)], [epoch, samples])
            for session, epoch, samples in positions
        ]
        return [_refusal(reply) for reply in await self._link.run_many("accept", calls)]

    async def end(self, session: str, gateway_epoch: int, accepted: int) -> int:
        """Decide that the stream is ``accepted`` samples long.

        This comes before the end of stream is published: whoever attaches afterwards sees it and
        publishes it again, and whoever attached before makes it fail, so that an end of stream
        can never overtake audio of a client that has just come back.

        Returns:
            The total; an earlier decision stands.

        Raises:
            Fenced: the session belongs to another gateway by now, or is over.
        """
        reply = await self._link.run("end", [names.session_key(session)], [gateway_epoch, accepted])
        refusal = _refusal(reply)
        if refusal is not None:
            raise refusal
        return int(reply[1])

    async def fail(
        self,
        session: str,
        gateway_epoch: int,
        model: str,
        error: tuple[str, str],
        *,
        only_waiting: bool,
    ) -> bool:
        """End a session without success; ``error`` is its code and sentence.

        Returns:
            Whether it was done; with ``only_waiting``, only if no worker has it. If not it is
            another's, or gone, perhaps by an earlier try of this call whose answer was lost.
        """
        keys = [
            names.session_key(session),
            names.segments_key(session),
            names.snapshot_key(session),
            names.result_key(session),
            names.SESSIONS_KEY,
            names.waiting_key(model),
        ]
        arguments = [session, gateway_epoch, *error, self._expires, int(only_waiting)]
        return int((await self._link.run("fail", keys, arguments))[0]) == 1

    async def look(
        self, sessions: Sequence[tuple[str, str, int]]
    ) -> list[tuple[View | Outcome | None, list[Segment]]]:
        """See how sessions stand, in two round trips for all of them.

        Args:
            sessions: id, model, and the first segment that is wanted.

        Returns:
            Per session its view (or what is left of it, or None if nothing is), and segments.
        """
        first = self._link.pipeline()
        for session, model, _ in sessions:
            first.hmget(
                names.session_key(session),
                ["state", "epoch", "gateway_epoch", "committed", "segments"],
            )
            first.zrank(names.waiting_key(model), session)
        replies = await self._link.execute(first)
        views = [_view(replies[2 * i], replies[2 * i + 1]) for i in range(len(sessions))]
        second = self._link.pipeline()
        for (session, _, wanted), view in zip(sessions, views, strict=True):
            if view is None:
                second.get(names.result_key(session))
            elif view.segments > wanted:
                second.lrange(names.segments_key(session), wanted, -1)
        rest = iter(await self._link.execute(second)) if len(second) else iter(())
        found: list[tuple[View | Outcome | None, list[Segment]]] = []
        for (_, _, wanted), view in zip(sessions, views, strict=True):
            if view is None:
                text = next(rest)
                outcome = Outcome.from_json(text) if text else None
                found.append((outcome, list(outcome.segments[wanted:]) if outcome else []))
            elif view.segments > wanted:
                found.append((view, [Segment.from_json(text) for text in next(rest)]))
            else:
                found.append((view, []))
        return found

    async def free_slots(self) -> int:
        """Slots that are free, over all models."""
        first = self._link.pipeline()
        first.smembers(names.WORKERS_KEY)
        workers = await self._link.execute(first)
        pipeline = self._link.pipeline()
        for worker in sorted(_text(name) for name in workers[0]):
            pipeline.hmget(names.worker_key(worker), ["state", "slots"])
            pipeline.scard(names.worker_sessions_key(worker))
        replies = await self._link.execute(pipeline) if len(pipeline) else []
        serving = {WorkerState.IDLE, WorkerState.BUSY}
        return sum(
            max(0, int(_text(fields[1]) or 0) - int(used))
            for fields, used in zip(replies[::2], replies[1::2], strict=True)
            if _text(fields[0]) in serving
        )

    async def beat(self) -> None:
        """Say that this gateway is alive."""
        key = names.gateway_key(self._gateway)
        pipeline = self._link.pipeline()
        pipeline.incr(key)  # repeated after a lost answer it says the same
        pipeline.expire(key, GATEWAY_EXPIRES)
        await self._link.execute(pipeline)

    async def forget(self) -> None:
        """Take the beat back: this gateway stops."""
        pipeline = self._link.pipeline()
        pipeline.delete(names.gateway_key(self._gateway))
        await self._link.execute(pipeline)

    async def read(self, session: str) -> tuple[dict[str, str], list[Segment]] | Outcome | None:
        """Everything about one session, for the HTTP API."""
        pipeline = self._link.pipeline()
        pipeline.hgetall(names.session_key(session))
        pipeline.lrange(names.segments_key(session), 0, -1)
        pipeline.get(names.result_key(session))
        raw = await self._link.execute(pipeline)
        if raw[0]:
            fields = {_text(name): _text(value) for name, value in raw[0].items()}
            return fields, [Segment.from_json(text) for text in raw[1]]
        return Outcome.from_json(raw[2]) if raw[2] else None


def _refusal(reply: Any) -> Any:
    if isinstance(reply, Exception):
        return reply
    return None if int(reply[0]) == 1 else Fenced(_text(reply[1]))


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value or "")


def _view(fields: Sequence[Any], rank: Any) -> View | None:
    if fields[0] is None:
        return None
    state, epoch, gateway_epoch, committed, segments = (_text(value) for value in fields)
    return View(
        state=state,
        epoch=int(epoch or 0),
        gateway_epoch=int(gateway_epoch or 0),
        committed=int(committed or 0),
        segments=int(segments or 0),
        position=None if rank is None else int(rank) + 1,
    )
