"""What a worker says about itself, and who wants to know at once that it changed."""

from __future__ import annotations

import socket
import threading
import uuid
from collections.abc import Callable

from asr_tasks.rpc import worker_manager_pb2 as pb
from asr_tasks.streaming import running


class Condition:
    """The state of this worker process; any thread may read and change it.

    Attributes:
        incarnation: random, one per boot; tells a restart from a reconnect.
    """

    def __init__(self, worker: str, model: str, slots: int) -> None:
        self.worker = worker
        self.model = model
        self.slots = slots
        self.incarnation = uuid.uuid4().hex
        self._state: pb.ReportState.ValueType = pb.STARTING
        self._lock = threading.Lock()
        self._changed = threading.Event()
        self._unwatch: Callable[[], None] = running.on_change(self._changed.set)

    @property
    def state(self) -> pb.ReportState.ValueType:
        """Starting, ready, draining or left."""
        return self._state

    def become(self, state: pb.ReportState.ValueType) -> None:
        """Change the state; it never goes back, except that a drain may begin at any time."""
        with self._lock:
            if state > self._state:
                self._state = state
        self._changed.set()

    def wait_for_change(self, timeout: float) -> None:
        """Return at once when something has changed since the last call, else after ``timeout``."""
        self._changed.wait(timeout)
        self._changed.clear()

    def poke(self) -> None:
        """Make :meth:`wait_for_change` return."""
        self._changed.set()

    def report(self) -> pb.WorkerReport:
        """Everything, with the next sequence number."""
        with self._lock:
            sequence, streams = running.report()
            return pb.WorkerReport(
                worker_name=self.worker,
                model_name=self.model,
                incarnation=self.incarnation,
                slots=self.slots,
                host=socket.gethostname(),
                state=self._state,
                running=[pb.Assignment(session=session, epoch=epoch) for session, epoch in streams],
                sequence=sequence,
            )

    def close(self) -> None:
        """Watch the streams no more."""
        self._unwatch()
