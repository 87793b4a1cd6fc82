"""Every sample once and in order, whatever the broker delivers first."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from asr_tasks.contracts.audio import Chunk
from asr_tasks.streaming.order import Reorderer
from asr_tasks.transport.base import Delivery

AUDIO = bytes(range(1, 201))  # 100 samples, all different


def piece(start: int, end: int) -> Chunk:
    return Chunk(start, AUDIO[2 * start : 2 * end])


def delivery(chunk: Chunk, tag: int = 0) -> Delivery:
    return Delivery(chunk, tag, redelivered=False)


@given(
    position=st.integers(0, 100),
    cuts=st.lists(st.tuples(st.integers(0, 99), st.integers(1, 40)), max_size=30),
    order=st.randoms(),
)
def test_any_cover_of_the_audio_comes_out_once_and_in_order(position, cuts, order):
    pieces = [piece(a, min(100, a + n)) for a, n in cuts]
    pieces += [piece(a, min(100, a + 10)) for a in range(0, 100, 10)]
    pieces.append(Chunk(100, eos=True))
    order.shuffle(pieces)

    reorderer, heard, ended = Reorderer(position), b"", False
    for chunk in pieces:
        reorderer.push(delivery(chunk))
        for ready in reorderer.ready():
            heard += ready.pcm
            ended = ended or ready.eos

    assert heard == AUDIO[2 * position :]
    assert ended


def test_the_end_of_stream_waits_for_missing_audio():
    reorderer = Reorderer(0)
    reorderer.push(delivery(Chunk(20, eos=True)))
    reorderer.push(delivery(piece(10, 20)))
    assert list(reorderer.ready()) == []
    assert reorderer.gap

    reorderer.push(delivery(piece(0, 10)))
    assert [(c.start, c.end, c.eos) for c in reorderer.ready()] == [
        (0, 10, False),
        (10, 20, False),
        (20, 20, True),
    ]
    assert not reorderer.gap


def test_only_what_lies_wholly_before_the_commit_is_settled():
    reorderer = Reorderer(0)
    for tag, chunk in enumerate([piece(0, 10), piece(10, 20), Chunk(12), Chunk(20, eos=True)]):
        reorderer.push(delivery(chunk, tag))
    assert [d.tag for d in reorderer.settled(15)] == [0, 2]
    assert [d.tag for d in reorderer.settled(20)] == [1]
    assert [d.tag for d in reorderer.everything()] == [3]
