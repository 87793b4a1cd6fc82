"""The Celery task class under every stream task."""

from __future__ import annotations

from typing import Any, ClassVar

from celery import Task
from celery.exceptions import Ignore

from asr_tasks import log
from asr_tasks.contracts.lease import Lease
from asr_tasks.streaming.drive import Environment, NotOurs, drive

_log = log.get("asr.stream")
_installed: list[Environment] = []


def install(environment: Environment) -> None:
    """Give this process's streams what they run on; the worker does it once at its start."""
    _installed[:] = [environment]


def environment() -> Environment:
    """What was installed.

    Raises:
        RuntimeError: nothing was: this process is not a stream worker.
    """
    if not _installed:
        raise RuntimeError("no streaming environment: start this with `python -m asr_tasks.worker`")
    return _installed[0]


class StreamTask(Task):  # type: ignore[misc]  # Celery ships no types
    """A task whose body gets a Stream first and then its own parameters.

    Dispatched by the allocator with ``task_id`` = session id and the keyword arguments
    ``session``, ``epoch``, ``client`` and the task's own. Acknowledged early: recovery is the
    allocator's, and a late acknowledgement would run into the broker's delivery timeout.
    """

    abstract = True
    acks_late = False
    track_started = True
    Request: ClassVar[str] = "asr_tasks.worker.request:StreamRequest"

    def __call__(
        self,
        *,
        session: str,
        epoch: int,
        worker: str = "",
        client: str = "",
        **parameters: Any,
    ) -> dict[str, Any]:
        """Run the stream; the returned dictionary is the task's result.

        Raises:
            Ignore: another worker has the session; Celery then records nothing.
        """
        lease = Lease(session, worker or _worker_of(self.request.hostname), epoch)
        try:
            transcript = drive(
                environment(), lease, self.run, parameters, streaming=self._show_streaming
            )
        except NotOurs as why:
            _log.info("stream left", session=session, epoch=epoch, reason=str(why))
            raise Ignore from why
        return {"session": session, "transcript": transcript, "client": client}

    def _show_streaming(self) -> None:
        # Flower shows a custom event `task-streaming` as the state STREAMING. It is a courtesy:
        # a broker that is away must not end the call.
        if self.request.called_directly:
            return
        try:
            self.send_event("task-streaming", retry=False)
        except Exception as error:
            _log.warning("event not sent", task=self.request.id, error=str(error))


def _worker_of(hostname: str | None) -> str:
    return (hostname or "").partition("@")[2]
