"""The one thread that steps the model: a continuous batcher across streams.

A stream's thread submits the frames it has and waits; the batcher's thread takes the oldest
frame of every stream that has one, steps them together and hands each its output. While a step
runs the next batch gathers by itself, and a model that has time to spare never waits for company;
a busy one does, a little (:mod:`asr_tasks.recognizers.patience`).
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Generic, Protocol, TypeVar

from asr_tasks import log
from asr_tasks.recognizers import metrics
from asr_tasks.recognizers.base import EngineClosed
from asr_tasks.recognizers.patience import Patience

_log = log.get(__name__)

F = TypeVar("F")
O = TypeVar("O")  # noqa: E741
T = TypeVar("T")
F_contra = TypeVar("F_contra", contravariant=True)
O_co = TypeVar("O_co", covariant=True)

GATHER: Final = 0.002
"""Seconds after a step in which streams that it has just answered are waited for."""

BEHIND: Final = 0.3
"""A stream that has its next frame within this share of the patience after an answer has more of
them: it is catching up, and nothing is to hold it up."""

STEP_LIMIT: Final = 120.0
"""Seconds after which a waiting stream gives the model up for hung."""


class Stepper(Protocol[F_contra, O_co]):
    """What the batcher drives; only ever called on the batcher's thread."""

    def step(self, frames: Sequence[F_contra]) -> Sequence[O_co]:
        """Step one frame each of different streams; the outputs are in the same order.

        All or nothing: when it raises, no stream's state has changed, so that the batcher may
        step them one by one to find the one at fault.
        """
        ...


@dataclass(slots=True, eq=False)
class _Order(Generic[F, O]):
    """Frames of one stream that wait, and what became of them."""

    stream: int
    frames: deque[F]
    since: float
    patient: bool
    outputs: list[O] = field(default_factory=list)
    error: BaseException | None = None
    done: threading.Event = field(default_factory=threading.Event)


@dataclass(slots=True, eq=False)
class _Call:
    """Something else to be done on the batcher's thread, between two steps."""

    function: Callable[[], None]


class Batcher(Generic[F, O]):
    """Steps a :class:`Stepper` on a thread of its own, from creation until :meth:`close`.

    Bounded: a stream has at most one order waiting, because its thread waits for it.

    Args:
        stepper: the model.
        limit: most frames in one step.
        gather: seconds after a step in which the streams just answered are waited for; they are
            the only ones that are known to be about to be ready. An idle engine never waits.
        patience: how long a frame waits for company; without one, never.
        step_limit: seconds a stream waits for the model at most.
    """

    def __init__(
        self,
        stepper: Stepper[F, O],
        *,
        limit: int,
        gather: float = GATHER,
        patience: Patience | None = None,
        step_limit: float = STEP_LIMIT,
    ) -> None:
        self._stepper = stepper
        self._limit = limit
        self._gather = gather
        self._patience = patience or Patience(0.0)
        self._behind = BEHIND * self._patience.most
        self._step_limit = step_limit
        self._changed = threading.Condition()
        self._orders: deque[_Order[F, O]] = deque()
        self._calls: deque[_Call] = deque()
        self._answered: set[int] = set()
        self._last: dict[int, float] = {}
        """When each stream was answered last."""
        self._answered_at = float("-inf")
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="asr-batcher", daemon=True)
        self._thread.start()

    def step(self, stream: int, frames: Sequence[F]) -> list[O]:
        """Step a stream's frames in order; blocks until all are through.

        Args:
            stream: identifies the stream; one thread at a time per stream.
            frames: at least one.

        Raises:
            EngineClosed: closed before all were through.
            TimeoutError: the model did not answer within the step limit.
            Exception: whatever the stepper raised on this stream's frame; the rest of its frames
                are dropped.
        """
        now = time.monotonic()
        with self._changed:
            self._refuse_when_closing()
            # A stream's first frame may be one that a dead worker owes its client.
            patient = now - self._last.get(stream, now) > self._behind
            order: _Order[F, O] = _Order(stream, deque(frames), now, patient)
            self._orders.append(order)
            self._changed.notify()
        self._wait(order.done)
        if order.error is not None:
            raise order.error
        return order.outputs

    def call(self, function: Callable[[], T]) -> T:
        """Run ``function`` on the batcher's thread, between two steps, and return its result.

        Raises:
            EngineClosed, TimeoutError: as :meth:`step`; else what ``function`` raises.
        """
        results: list[T] = []
        errors: list[BaseException] = []
        done = threading.Event()

        def run() -> None:
            try:
                if self._closing:
                    raise EngineClosed
                results.append(function())
            except BaseException as error:
                errors.append(error)
            finally:
                done.set()

        with self._changed:
            self._refuse_when_closing()
            self._calls.append(_Call(run))
            self._changed.notify()
        self._wait(done)
        if errors:
            raise errors[0]
        return results[0]

    def forget(self, stream: int) -> None:
        """The stream is over; nobody is to wait for its next frame."""
        with self._changed:
            self._answered.discard(stream)
            self._last.pop(stream, None)
            self._changed.notify()

    def close(self) -> None:
        """Stop after the step that runs; whoever waits gets EngineClosed."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        if threading.current_thread() is not self._thread:
            self._thread.join(self._step_limit)

    def _refuse_when_closing(self) -> None:
        if self._closing:
            raise EngineClosed

    def _wait(self, done: threading.Event) -> None:
        if not done.wait(self._step_limit):
            raise TimeoutError(f"the model did not answer within {self._step_limit:g} s")

    def _run(self) -> None:
        while True:
            with self._changed:
                calls, batch = self._take()
                closing = self._closing
            for call in calls:
                call.function()
            if closing:
                self._drop_all()
                return
            if batch:
                self._step(batch)

    def _take(self) -> tuple[list[_Call], list[_Order[F, O]]]:
        """What to do next; waits for it. Held: the condition."""
        while not self._closing:
            if self._calls:
                break
            if self._orders:
                left = max(self._worth_waiting(), self._room_for_company())
                if left <= 0:
                    break
                self._changed.wait(left)
            else:
                self._changed.wait(1.0)
        calls = list(self._calls)
        self._calls.clear()
        if calls or self._closing:
            return calls, []
        return [], [self._orders.popleft() for _ in range(min(self._limit, len(self._orders)))]

    def _worth_waiting(self) -> float:
        """Seconds to wait for the streams that the last step answered. Held: the condition."""
        if len(self._orders) >= self._limit:
            return 0.0
        left = self._answered_at + self._gather - time.monotonic()
        if left <= 0:
            return 0.0
        self._answered -= {order.stream for order in self._orders}
        return left if self._answered else 0.0

    def _room_for_company(self) -> float:
        """Seconds that the ready frames may still wait for more. Held: the condition."""
        if len(self._orders) >= self._limit or not all(order.patient for order in self._orders):
            return 0.0
        now = time.monotonic()
        return self._orders[0].since + self._patience.seconds(now) - now

    def _step(self, batch: list[_Order[F, O]]) -> None:
        begun = time.monotonic()
        metrics.BATCH_SIZE.observe(len(batch))
        for order in batch:
            metrics.WAIT_SECONDS.observe(begun - order.since)
        try:
            outputs = self._stepper.step([order.frames[0] for order in batch])
        except Exception as error:
            # one stream's frame must not end the others: find it by stepping each alone
            self._step_apart(batch, error)
        else:
            for order, output in zip(batch, outputs, strict=True):
                order.frames.popleft()
                order.outputs.append(output)
        ended = time.monotonic()
        metrics.STEP_SECONDS.observe(ended - begun)
        self._patience.stepped(begun, ended)
        self._answer(batch)

    def _step_apart(self, batch: list[_Order[F, O]], error: Exception) -> None:
        if len(batch) == 1:
            self._fail(batch[0], error)
            return
        metrics.FAILURES.labels("retried").inc()
        for order in batch:
            try:
                output = self._stepper.step([order.frames[0]])[0]
            except Exception as own:
                self._fail(order, own)
            else:
                order.frames.popleft()
                order.outputs.append(output)

    def _fail(self, order: _Order[F, O], error: Exception) -> None:
        metrics.FAILURES.labels("stream_failed").inc()
        _log.warning("a stream's step failed", stream=order.stream, error=repr(error))
        order.error = error
        order.frames.clear()

    def _answer(self, batch: list[_Order[F, O]]) -> None:
        """Hand out what is complete; what has more frames queues again, behind the others."""
        now = time.monotonic()
        with self._changed:
            self._answered = {order.stream for order in batch if not order.frames}
            self._answered_at = now
            for order in batch:
                if order.frames:
                    order.since, order.patient = now, False
                    self._orders.append(order)
                else:
                    self._last[order.stream] = now
        for order in batch:
            if not order.frames:
                order.done.set()

    def _drop_all(self) -> None:
        with self._changed:
            orders, calls = list(self._orders), list(self._calls)
            self._orders.clear()
            self._calls.clear()
        for order in orders:
            order.error = EngineClosed()
            order.done.set()
        for call in calls:
            call.function()
