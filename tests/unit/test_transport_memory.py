"""The in-process broker's rules, queue by queue."""

from __future__ import annotations

import pytest

from asr_tasks.transport.memory_broker import InProcessBroker, QueueFull, QueueMissing, broker_for


def test_the_same_url_is_the_same_broker() -> None:
    assert broker_for("memory://a1") is broker_for("memory://a1")
    assert broker_for("memory://a1") is not broker_for("memory://a2")


def test_a_full_queue_refuses_until_something_is_acknowledged() -> None:
    broker = InProcessBroker()
    broker.declare("q", {"x-max-length-bytes": 10})
    broker.publish("q", "a", 6)
    with pytest.raises(QueueFull):
        broker.publish("q", "b", 6)
    tags: list[int] = []
    consumer = broker.consume("q", lambda _p, tag, _again: tags.append(tag))
    with pytest.raises(QueueFull):
        broker.publish("q", "b", 6)
    consumer.ack(tags)
    broker.publish("q", "b", 6)


def test_a_bounded_queue_drops_its_oldest() -> None:
    broker = InProcessBroker()
    broker.declare("q", {"x-max-length": 2})
    for payload in "abc":
        broker.publish("q", payload)
    seen: list[str] = []
    broker.consume("q", lambda p, _tag, _again: seen.append(p), no_ack=True)
    assert seen == ["b", "c"]


def test_nothing_goes_to_a_queue_that_is_not_there() -> None:
    broker = InProcessBroker()
    with pytest.raises(QueueMissing):
        broker.publish("q", "a")
    with pytest.raises(QueueMissing):
        broker.consume("q", lambda *_: None)


def test_prefetch_holds_back() -> None:
    broker = InProcessBroker()
    broker.declare("q", {})
    seen: list[tuple[str, int]] = []
    consumer = broker.consume("q", lambda p, tag, _again: seen.append((p, tag)), prefetch=2)
    for payload in "abc":
        broker.publish("q", payload)
    assert [p for p, _ in seen] == ["a", "b"]
    consumer.ack([seen[0][1]])
    assert [p for p, _ in seen] == ["a", "b", "c"]
