"""Which pieces of a recording are stepped together."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from asr_tasks.contracts.audio import SAMPLE_RATE
from asr_tasks.recognizers.offline import BATCH_SECONDS, LIKE, batches


def seconds(*lengths: float) -> list[int]:
    return [round(length * SAMPLE_RATE) for length in lengths]


def test_pieces_of_like_length_go_together() -> None:
    assert batches(seconds(20, 18, 19)) == [[0, 2, 1]]


def test_a_short_piece_does_not_pay_for_the_length_of_a_long_one() -> None:
    assert batches(seconds(6.5, 15.5)) == [[1], [0]]


@given(st.lists(st.integers(1, 40 * SAMPLE_RATE)))
def test_each_piece_is_stepped_once_and_no_step_is_large_or_mostly_padding(
    lengths: list[int],
) -> None:
    found = batches(lengths)
    assert sorted(index for batch in found for index in batch) == list(range(len(lengths)))
    for batch in found:
        longest = max(lengths[index] for index in batch)
        assert len(batch) == 1 or longest * len(batch) <= BATCH_SECONDS * SAMPLE_RATE
        assert min(lengths[index] for index in batch) >= LIKE * longest
