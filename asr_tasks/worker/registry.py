"""The worker's side of the Attach stream: reports go up, commands come down.

Synchronous gRPC in two threads of its own (one sends, one receives): it keeps beating while the
model steps, and it shares no event loop with anything. When the stream breaks it is opened
again, to whichever allocator answers, with jittered backoff; until then nothing changes for the
streams that run here.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator

import grpc

from asr_tasks import log
from asr_tasks.rpc import worker_manager_pb2 as pb
from asr_tasks.rpc.worker_manager_pb2_grpc import WorkerManagerServiceStub
from asr_tasks.streaming import running
from asr_tasks.streaming.running import StopReason
from asr_tasks.transport.backoff import Backoff
from asr_tasks.worker.report import Condition

_log = log.get("asr.worker")

SILENCE_SECONDS = 3.0
"""An allocator that answers no report for so long is given up for another one."""

CONNECT_SECONDS = 2.0
GOODBYE_SECONDS = 2.0

_REASONS = {pb.CANCELLED: StopReason.CANCELLED, pb.STALE: StopReason.STALE}
_OPTIONS = [
    # Each try is a connection of its own: a shared one would bring gRPC's own backoff with it.
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.enable_retries", 0),
]


class Registry:
    """Keeps an allocator informed.

    Args:
        addresses: host:port of the allocator; several separated by commas, of which any will do.
        condition: what is reported.
        on_drain: called, in the receiving thread, when the allocator wants this worker gone.
        interval: seconds between reports when nothing changes.
    """

    def __init__(
        self, addresses: str, condition: Condition, on_drain: Callable[[], None], interval: float
    ) -> None:
        self._addresses = [one.strip() for one in addresses.split(",") if one.strip()]
        self._condition = condition
        self._on_drain = on_drain
        self._interval = interval
        self._closing = threading.Event()
        self._answered = 0.0
        self._attached = False
        self._thread = threading.Thread(target=self._run, name="registry", daemon=True)

    @property
    def attached(self) -> bool:
        """Whether an allocator has answered on the present stream."""
        return self._attached

    def start(self) -> None:
        """Begin; returns at once."""
        self._thread.start()

    def close(self) -> None:
        """Report LEFT, so that nobody suspects a death, and end; waits a bounded while."""
        self._condition.become(pb.LEFT)
        self._closing.set()
        self._condition.poke()
        self._thread.join(GOODBYE_SECONDS + CONNECT_SECONDS)

    def _run(self) -> None:
        backoff = Backoff(0.05, 1.0)
        while not self._closing.is_set():
            try:
                self._attach(backoff)
            except grpc.RpcError as error:
                level = _log.warning if self._attached else _log.debug
                level("allocator lost", reason=_reason(error))
            except Exception:
                _log.exception("attaching failed")  # a bug must not end the reports
            self._attached = False
            self._closing.wait(backoff.next())

    def _attach(self, backoff: Backoff) -> None:
        address = random.choice(self._addresses)
        with grpc.insecure_channel(address, options=_OPTIONS) as channel:
            try:
                grpc.channel_ready_future(channel).result(CONNECT_SECONDS)
            except grpc.FutureTimeoutError:
                _log.warning("allocator does not answer", address=address)
                return
            self._answered = time.monotonic()
            ended = threading.Event()
            call = WorkerManagerServiceStub(channel).Attach(self._reports(ended))
            watch = threading.Thread(
                target=self._watch, args=(call, ended), name="registry-watch", daemon=True
            )
            watch.start()
            try:
                for command in call:
                    if not self._attached:
                        self._attached = True
                        backoff.reset()
                        _log.info("attached", allocator=address)
                    self._obey(command)
            finally:
                ended.set()
                self._condition.poke()
                call.cancel()
                watch.join(GOODBYE_SECONDS)

    def _reports(self, ended: threading.Event) -> Iterator[pb.WorkerReport]:
        """Runs in gRPC's sending thread; ends after LEFT, or with the stream."""
        while not ended.is_set():
            report = self._condition.report()
            yield report
            if report.state == pb.LEFT:
                return
            self._condition.wait_for_change(self._interval)

    def _watch(self, call: grpc.Call, ended: threading.Event) -> None:
        """Break a stream that has gone silent, or that does not end when it should."""
        goodbye = 0.0
        while not ended.wait(0.2):
            now = time.monotonic()
            if self._closing.is_set():
                goodbye = goodbye or now + GOODBYE_SECONDS
            if now - self._answered > SILENCE_SECONDS or (goodbye and now > goodbye):
                call.cancel()
                return

    def _obey(self, command: pb.WorkerCommand) -> None:
        self._answered = time.monotonic()
        match command.WhichOneof("command"):
            case "cancel":
                cancel = command.cancel
                reason = _REASONS.get(cancel.reason, StopReason.STALE)
                found = running.stop(cancel.session, reason, cancel.epoch)
                _log.info(
                    "told to stop", session=cancel.session, reason=reason.value, runs_here=found
                )
            case "drain":
                self._on_drain()


def _reason(error: grpc.RpcError) -> str:
    code, details = getattr(error, "code", None), getattr(error, "details", None)
    return f"{code().name}: {details()}" if code and details else str(error)
