"""Which results a client is told."""

from __future__ import annotations

import itertools
import random

import pytest

from asr_tasks.contracts.results import Kind, Message, Result, Segment
from gateway.client_state import MOVES, ClientState, IllegalMove, move
from gateway.delivery import Delivery
from gateway.events import Done, Failed, FinalResult, PartialResult, StateChanged
from gateway.mailbox import Mailbox
from gateway.session_records import Outcome, View


def final(index: int, epoch: int = 1) -> Message:
    return Message(Kind.FINAL, epoch, Result(f"text {index}", final=True), index)


def segment(index: int) -> Segment:
    return Segment(index, Result(f"text {index}", final=True))


def partial(index: int, text: str, epoch: int = 1) -> Message:
    return Message(Kind.PARTIAL, epoch, Result(text), index)


def end(segments: int) -> Message:
    return Message(Kind.END, 1, segments=segments, duration=2.0, reason="eos")


def live(segments: int = 0, epoch: int = 1) -> View:
    return View("streaming", epoch, 1, 0, segments, None)


def outcome(segments: int, state: str = "done", code: str = "") -> Outcome:
    kept = tuple(segment(index) for index in range(segments))
    return Outcome(state, code, "why", 2.0, "eos", 0, "english", kept)


def told(delivery: Delivery, *messages: Message) -> list[object]:
    return list(itertools.chain.from_iterable(delivery.message(m) for m in messages))


def test_each_final_once_and_in_order() -> None:
    delivery = Delivery()
    events = told(delivery, final(0), final(0), final(1), final(0), final(1))
    assert [event.segment for event in events] == [0, 1]  # type: ignore[attr-defined]


def test_a_gap_is_repaired_from_redis() -> None:
    delivery = Delivery()
    assert told(delivery, final(0), final(2)) == [FinalResult(0, final(0).result)]  # type: ignore[arg-type]
    assert delivery.wants_look
    events = list(delivery.look(live(3), [segment(1), segment(2)]))
    assert [e.segment for e in events if isinstance(e, FinalResult)] == [1, 2]
    assert not delivery.wants_look


def test_the_end_waits_for_every_final() -> None:
    delivery = Delivery()
    assert told(delivery, final(0), end(2)) != []
    assert not delivery.over
    assert delivery.wants_look
    events = list(delivery.look(outcome(2), [segment(1)]))
    assert events == [FinalResult(1, segment(1).result), Done(2, 2.0, "eos")]
    assert told(delivery, final(2), end(2)) == []


def test_an_end_with_all_finals_needs_no_redis() -> None:
    delivery = Delivery()
    assert told(delivery, final(0), end(1))[-1] == Done(1, 2.0, "eos")


def test_a_worker_that_lost_the_session_is_not_heard() -> None:
    delivery = Delivery()
    told(delivery, partial(0, "new", epoch=2))
    assert told(delivery, partial(0, "old", epoch=1)) == []
    assert told(delivery, final(0, epoch=1)) == []
    assert delivery.wants_look  # if it was committed, Redis has it


def test_the_same_partial_is_said_once() -> None:
    delivery = Delivery()
    assert len(told(delivery, partial(0, "a"), partial(0, "a"), partial(0, "ab"))) == 2
    told(delivery, final(0))
    assert told(delivery, partial(0, "late")) == []
    assert len(told(delivery, partial(1, "ab"))) == 1


def test_a_failure_comes_after_the_finals() -> None:
    delivery = Delivery()
    assert told(delivery, Message(Kind.FAILED, 1, code="recogniser_failed")) == []
    events = list(delivery.look(outcome(1, "failed", "recogniser_failed"), [segment(0)]))
    assert events == [FinalResult(0, segment(0).result), Failed("recogniser_failed", "why")]


def test_states_are_told_on_change() -> None:
    delivery = Delivery()
    waiting = View("waiting", 0, 1, 0, 0, 3)
    assert list(delivery.look(waiting, [])) == [StateChanged("waiting", 3)]
    assert list(delivery.look(waiting, [])) == []
    working = Message(Kind.WORKING, 1, worker="w")
    assert told(delivery, working, working) == [StateChanged("streaming")]


@pytest.mark.parametrize("seed", range(200))
def test_any_order_loss_and_repetition_gives_the_same_transcript(seed: int) -> None:
    rng = random.Random(seed)
    count = rng.randint(0, 8)
    delivery, heard = Delivery(), []
    messages = [final(i) for i in range(count) if rng.random() > 0.3] * rng.randint(1, 2)
    messages += [end(count)] * rng.randint(0, 2)
    if rng.random() < 0.5:
        rng.shuffle(messages)
    for message in messages:
        heard += list(delivery.message(message))
        if delivery.wants_look and rng.random() < 0.5:
            at = delivery.next_segment
            heard += list(delivery.look(live(count), [segment(i) for i in range(at, count)]))
    at = delivery.next_segment
    heard += list(delivery.look(outcome(count), [segment(i) for i in range(at, count)]))
    finals = [event.segment for event in heard if isinstance(event, FinalResult)]
    assert finals == list(range(count))
    assert [event for event in heard if isinstance(event, Done)] == [Done(count, 2.0, "eos")]
    assert isinstance(heard[-1], Done)


async def test_a_slow_reader_gets_only_the_newest_partial() -> None:
    mailbox = Mailbox()
    for text in ("a", "b", "c"):
        mailbox.message(partial(0, text))
    mailbox.message(final(0))
    mailbox.message(partial(1, "d"))
    mailbox.accepted(1)
    mailbox.accepted(2)
    batch = await mailbox.take()
    assert [m.result.text for m in batch.messages if m.result] == ["c", "text 0", "d"]
    assert batch.accepted == 2


async def test_a_mailbox_is_bounded() -> None:
    mailbox = Mailbox()
    for index in range(10_000):
        mailbox.message(final(index))
    batch = await mailbox.take()
    assert len(batch.messages) == 2_000
    assert batch.messages[-1].index == 9_999


def test_client_states() -> None:
    for old, new in itertools.product(ClientState, ClientState):
        if new in MOVES[old]:
            assert move(old, new) is new
        else:
            with pytest.raises(IllegalMove):
                move(old, new)
    assert isinstance(told(Delivery(), partial(0, "x"))[0], PartialResult)
