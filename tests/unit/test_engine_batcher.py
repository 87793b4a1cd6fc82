"""The batcher and the engine over it, with a model that is a few lines of Python."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from asr_tasks.recognizers.base import EngineClosed
from asr_tasks.recognizers.batcher import Batcher
from asr_tasks.recognizers.patience import Patience

Item = tuple[str, int]


class Recording:
    """Answers with the frame; keeps the batches; may be told to wait or to fail."""

    def __init__(self) -> None:
        self.batches: list[list[Item]] = []
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Event()
        self.poison: Callable[[Item], bool] = lambda _: False

    def step(self, frames: Sequence[Item]) -> list[Item]:
        self.entered.set()
        assert self.gate.wait(5)
        self.batches.append(list(frames))
        for frame in frames:
            if self.poison(frame):
                raise ValueError(f"poison {frame}")
        return list(frames)


@pytest.fixture
def model() -> Recording:
    return Recording()


@pytest.fixture
def batcher(model: Recording) -> Iterator[Batcher[Item, Item]]:
    made = Batcher(model, limit=8, step_limit=5)
    yield made
    model.gate.set()
    made.close()


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(16) as made:
        yield made


def waiting(batcher: Batcher[Item, Item], count: int) -> None:
    """Until ``count`` orders queue."""
    end = time.monotonic() + 5
    while len(batcher._orders) < count:
        assert time.monotonic() < end
        time.sleep(0.001)


def test_outputs_come_back_in_order(batcher: Batcher[Item, Item]) -> None:
    assert batcher.step(1, [("a", 1), ("a", 2)]) == [("a", 1), ("a", 2)]


def test_what_is_ready_during_a_step_is_the_next_batch(
    model: Recording, batcher: Batcher[Item, Item], pool: ThreadPoolExecutor
) -> None:
    model.gate.clear()
    first = pool.submit(batcher.step, 0, [("first", 0)])
    assert model.entered.wait(5)
    rest = [pool.submit(batcher.step, n, [("rest", n)]) for n in range(1, 6)]
    waiting(batcher, 5)
    model.gate.set()
    assert first.result(5) == [("first", 0)]
    assert [f.result(5) for f in rest] == [[("rest", n)] for n in range(1, 6)]
    assert [len(batch) for batch in model.batches] == [1, 5]


def test_a_batch_is_no_larger_than_the_limit_and_the_oldest_go_first(
    model: Recording, batcher: Batcher[Item, Item], pool: ThreadPoolExecutor
) -> None:
    model.gate.clear()
    futures = [pool.submit(batcher.step, 0, [("x", 0)])]
    assert model.entered.wait(5)
    for n in range(1, 12):
        futures.append(pool.submit(batcher.step, n, [("x", n)]))
        waiting(batcher, n)
    model.gate.set()
    for future in futures:
        future.result(5)
    assert [[n for _, n in batch] for batch in model.batches] == [
        [0],
        list(range(1, 9)),
        [9, 10, 11],
    ]


def test_a_stream_with_many_frames_lets_others_between(
    model: Recording, batcher: Batcher[Item, Item], pool: ThreadPoolExecutor
) -> None:
    model.gate.clear()
    long = pool.submit(batcher.step, 1, [("long", n) for n in range(3)])
    assert model.entered.wait(5)
    short = pool.submit(batcher.step, 2, [("short", 0)])
    waiting(batcher, 1)
    model.gate.set()
    assert long.result(5) == [("long", 0), ("long", 1), ("long", 2)]
    short.result(5)
    assert model.batches[1] == [("short", 0), ("long", 1)]


def test_a_lone_stream_does_not_wait_for_company(model: Recording) -> None:
    batcher = Batcher(model, limit=8, gather=1.0)
    begun = time.monotonic()
    for n in range(20):
        batcher.step(1, [("x", n)])
    assert time.monotonic() - begun < 0.5
    batcher.close()


class Always(Patience):
    """Waits as long as it may, however busy the model is."""

    def seconds(self, now: float) -> float:
        return self.most


def test_a_frame_waits_for_company_as_long_as_patience_says(
    model: Recording, pool: ThreadPoolExecutor
) -> None:
    batcher = Batcher(model, limit=3, patience=Always(0.5), gather=0.0)
    for n in (1, 2, 3):
        batcher.step(n, [("first", n)])  # a first one does not wait
    assert [len(batch) for batch in model.batches] == [1, 1, 1]
    time.sleep(0.2)  # the next is spoken
    futures = [pool.submit(batcher.step, 1, [("x", 1)])]
    waiting(batcher, 1)
    futures += [pool.submit(batcher.step, n, [("x", n)]) for n in (2, 3)]
    for future in futures:
        future.result(2)
    assert [len(batch) for batch in model.batches] == [1, 1, 1, 3]
    batcher.close()


def test_a_stream_that_catches_up_does_not_wait_for_company(model: Recording) -> None:
    batcher = Batcher(model, limit=8, patience=Always(0.4))
    begun = time.monotonic()
    for n in range(20):
        batcher.step(1, [("x", n)])  # at once: it is behind
    assert time.monotonic() - begun < 4.0
    batcher.close()


def test_patience_grows_with_the_share_of_time_that_the_model_is_busy() -> None:
    patience = Patience(0.1)
    assert patience.seconds(0.0) == 0
    for n in range(100):
        patience.stepped(n * 0.1, n * 0.1 + 0.02)  # a fifth
    assert patience.seconds(10.0) == 0
    for n in range(100, 200):
        patience.stepped(n * 0.1, n * 0.1 + 0.05)  # a half
    assert 0.03 < patience.seconds(20.0) < 0.07
    for n in range(200, 300):
        patience.stepped(n * 0.1, n * 0.1 + 0.09)
    assert patience.seconds(30.0) == 0.1
    assert patience.seconds(32.0) == 0, "idle since"


def test_streams_just_answered_are_waited_for(model: Recording, pool: ThreadPoolExecutor) -> None:
    batcher = Batcher(model, limit=4, gather=0.5)

    def stream(number: int) -> None:
        for n in range(10):
            batcher.step(number, [(str(number), n)])
        batcher.forget(number)

    model.gate.clear()
    futures = [pool.submit(stream, 0)]
    assert model.entered.wait(5)
    futures += [pool.submit(stream, number) for number in range(1, 4)]
    waiting(batcher, 3)  # one is being stepped, the others have asked
    model.gate.set()
    for future in futures:
        future.result(10)
    batcher.close()
    together = sum(len(batch) >= 3 for batch in model.batches)
    assert together >= 4, [len(batch) for batch in model.batches]


def test_only_the_poisoned_stream_fails(
    model: Recording, batcher: Batcher[Item, Item], pool: ThreadPoolExecutor
) -> None:
    model.poison = lambda frame: frame == ("x", 3)
    model.gate.clear()
    futures = [pool.submit(batcher.step, 0, [("x", 0)])]
    assert model.entered.wait(5)
    futures += [pool.submit(batcher.step, n, [("x", n)]) for n in range(1, 6)]
    waiting(batcher, 5)
    model.gate.set()
    for n, future in enumerate(futures):
        if n == 3:
            with pytest.raises(ValueError, match="poison"):
                future.result(5)
        else:
            assert future.result(5) == [("x", n)]
    assert batcher.step(3, [("y", 3)]) == [("y", 3)]


def test_a_call_runs_on_the_batchers_thread_between_steps(batcher: Batcher[Item, Item]) -> None:
    assert batcher.call(lambda: threading.current_thread().name) == "asr-batcher"
    with pytest.raises(ZeroDivisionError):
        batcher.call(lambda: 1 // 0)


def test_close_wakes_whoever_waits(
    model: Recording, batcher: Batcher[Item, Item], pool: ThreadPoolExecutor
) -> None:
    model.gate.clear()
    running = pool.submit(batcher.step, 0, [("x", 0), ("x", 1)])
    assert model.entered.wait(5)
    queued = pool.submit(batcher.step, 1, [("x", 1)])
    waiting(batcher, 1)
    closing = pool.submit(batcher.close)
    while not batcher._closing:
        time.sleep(0.001)
    model.gate.set()
    closing.result(5)
    for future in (running, queued):
        with pytest.raises(EngineClosed):
            future.result(5)
    with pytest.raises(EngineClosed):
        batcher.step(2, [("x", 2)])
    with pytest.raises(EngineClosed):
        batcher.call(lambda: 1)


def test_a_model_that_hangs_is_given_up(model: Recording) -> None:
    batcher = Batcher(model, limit=2, step_limit=0.1)
    model.gate.clear()
    with pytest.raises(TimeoutError):
        batcher.step(1, [("x", 0)])
    model.gate.set()
    batcher.close()
