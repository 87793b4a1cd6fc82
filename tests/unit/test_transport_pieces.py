"""Wire format, backoff and confirmations, without a broker."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr_tasks.contracts.audio import Chunk
from asr_tasks.transport.backoff import Backoff
from asr_tasks.transport.publisher import Confirmation, Publisher
from asr_tasks.transport.wire import chunk_from, headers_of


@given(st.integers(0, 2**53), st.binary(max_size=64), st.booleans())
def test_a_chunk_survives_the_wire(start: int, half: bytes, eos: bool) -> None:
    chunk = Chunk(start, half * 2, eos)
    assert chunk_from(headers_of(chunk), chunk.pcm) == chunk


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({}, b""),
        ({"v": 99, "start": 0}, b""),
        ({"v": 1}, b""),
        ({"v": 1, "start": -1}, b""),
        ({"v": 1, "start": 0}, b"\0"),
    ],
)
def test_what_is_not_audio_is_refused(headers: dict[str, Any], body: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        chunk_from(headers, body)


def test_waits_grow_to_a_bound_and_begin_again() -> None:
    backoff = Backoff(0.1, 0.4)
    waits = [backoff.next() for _ in range(50)]
    assert 0.05 <= waits[0] <= 0.1
    assert all(0.2 <= wait <= 0.4 for wait in waits[3:])
    backoff.reset()
    assert backoff.next() <= 0.1


class FakeChannel:
    """Records publishes; its broker answers when the test says so."""

    error = None

    def __init__(self) -> None:
        self.events: dict[str, set[Any]] = {"basic_ack": set(), "basic_nack": set()}
        self.sent: list[bytes] = []

    def confirm_select(self) -> None: ...

    def basic_publish(self, message: Any, routing_key: str) -> None:
        self.sent.append(message.body)


class FakeConnection:
    def __init__(self) -> None:
        self.channels: list[FakeChannel] = []

    def open_channel(self) -> FakeChannel:
        self.channels.append(FakeChannel())
        return self.channels[-1]


def up(publisher: Publisher) -> FakeChannel:
    connection = FakeConnection()
    publisher.up(connection)  # type: ignore[arg-type]
    return connection.channels[0]


def test_one_answer_may_confirm_many() -> None:
    publisher = Publisher()
    channel = up(publisher)
    finals = [Confirmation("q", bytes([n])) for n in range(3)]
    for final in finals:
        publisher.send_confirmed(final)
    for answer in channel.events["basic_ack"]:
        answer(2, True)
    assert [final.done() for final in finals] == [True, True, False]


def test_what_was_not_confirmed_is_sent_again_first_and_what_was_given_up_is_not() -> None:
    publisher = Publisher()
    up(publisher)
    finals = [Confirmation("q", bytes([n])) for n in range(3)]
    for final in finals:
        publisher.send_confirmed(final)
    publisher.down()
    finals[1].cancel()
    publisher.send_confirmed(Confirmation("q", b"late"))
    channel = up(publisher)
    assert channel.sent == [b"\0", b"\2", b"late"]
