"""What an operator would see, twice a second: workers, slots, calls, who waits."""

from __future__ import annotations

import threading
import time
from dataclasses import asdict, dataclass, field
from typing import Any

import grpc

from asr_tasks.rpc import worker_manager_pb2 as pb
from asr_tasks.rpc.worker_manager_pb2_grpc import WorkerManagerServiceStub

EVERY = 0.5
CALL_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class Sample:
    """One look; ``at``: seconds since the first."""

    at: float
    starting: int
    ready: int
    draining: int
    slots: int
    calls: int
    waiting: int


@dataclass(slots=True)
class Watch:
    """A thread that looks; used once."""

    allocator: str
    samples: list[Sample] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin."""
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(10)

    def until(self, condition: Any, within: float) -> None:
        """Return once the newest sample fulfils it; AssertionError if none does in time."""
        deadline = time.monotonic() + within
        while not (self.samples and condition(self.samples[-1])):
            if time.monotonic() > deadline:
                newest = asdict(self.samples[-1]) if self.samples else None
                raise AssertionError(f"not within {within} s; newest look: {newest}")
            time.sleep(EVERY / 2)

    def decisions(self) -> list[dict[str, Any]]:
        """What the scaling loop decided, the oldest first."""
        with grpc.insecure_channel(self.allocator) as channel:
            stub = WorkerManagerServiceStub(channel)
            answer = stub.ExplainScaling(pb.ExplainScalingRequest(), timeout=CALL_SECONDS)
        return [
            {
                "at": one.at,
                "before": one.before,
                "wanted": one.wanted,
                "after": one.after,
                "reason": one.reason,
            }
            for model in answer.models
            for one in reversed(model.decisions)
        ]

    def _run(self) -> None:
        begin = time.monotonic()
        with grpc.insecure_channel(self.allocator) as channel:
            stub = WorkerManagerServiceStub(channel)
            while not self._stop.wait(EVERY):
                workers = stub.ListWorkers(pb.ListWorkersRequest(), timeout=CALL_SECONDS).workers
                models = stub.ListModels(pb.ListModelsRequest(), timeout=CALL_SECONDS).models
                states = [worker.state for worker in workers]
                self.samples.append(
                    Sample(
                        at=round(time.monotonic() - begin, 2),
                        starting=states.count("starting"),
                        ready=states.count("idle") + states.count("busy"),
                        draining=states.count("draining"),
                        slots=sum(model.slots for model in models),
                        calls=sum(len(worker.sessions) for worker in workers),
                        waiting=sum(model.waiting for model in models),
                    )
                )
