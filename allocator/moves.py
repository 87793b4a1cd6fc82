"""A script's decision and what follows from it: dispatch, log, count. For server and monitor."""

from __future__ import annotations

from collections.abc import Iterable

from allocator import metrics
from allocator.dispatcher import Dispatcher
from allocator.offer import GivenUp, Held, Lost, Offer, Waiting
from allocator.store import Office, Store
from asr_tasks import log

_log = log.get("asr.allocator")


class Moves:
    """The moves of sessions between workers.

    A process that dies between a script and its dispatch leaves a session that nobody claims;
    the monitor assigns it again after the ready deadline.
    """

    def __init__(self, store: Store, dispatcher: Dispatcher) -> None:
        self.store = store
        self._dispatcher = dispatcher

    async def allocate(self, session: str, model: str) -> Offer | Held | Waiting:
        """Give a session a worker or a place in the queue."""
        answer = await self.store.allocate(session, model)
        match answer:
            case Offer():
                self._dispatch(answer, "session assigned")
            case Waiting():
                _log.info("session waits", session=session, model=model, place=answer.place)
        return answer

    async def fail_over(self, lost: Iterable[Lost], why: str, office: Office | None = None) -> int:
        """Give sessions that lost their worker to others; returns how many there were."""
        count = 0
        for session, epoch in lost:
            answer = await self.store.fail_over((session, epoch), office)
            if answer is None:
                continue
            count += 1
            metrics.FAILED_OVER.labels(why).inc()
            match answer:
                case Offer():
                    self._dispatch(answer, "session moved", why=why)
                case Waiting():
                    _log.warning("session waits again", session=session, why=why)
                case GivenUp():
                    _log.error("session given up", session=session, epoch=epoch, why=why)
        return count

    async def serve(self, model: str, office: Office | None = None) -> int:
        """Serve waiting sessions while slots are free; returns how many were."""
        count = 0
        while (offer := await self.store.serve_waiting(model, office)) is not None:
            self._dispatch(offer, "waiting session assigned")
            count += 1
        return count

    def forget(self, worker: str) -> None:
        """A worker's record was removed, and its name will not come back."""
        self._dispatcher.forget(worker)

    def _dispatch(self, offer: Offer, event: str, **facts: object) -> None:
        _log.info(event, session=offer.session, worker=offer.worker, epoch=offer.epoch, **facts)
        self._dispatcher.send(offer)
