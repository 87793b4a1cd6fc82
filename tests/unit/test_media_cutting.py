"""Where long recordings are cut."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr_tasks.media.cutting import Cutter

RATE = 16_000


def tone(seconds, level=0.3):
    at = np.arange(int(seconds * RATE))
    return (level * np.sin(at * 0.3)).astype(np.float32)[None]


def quiet(seconds, level=0.0):
    noise = np.random.default_rng(1).normal(0, 1, int(seconds * RATE))
    return (level * noise).astype(np.float32)[None]


def pieces(*parts, block=1600, **options):
    audio = np.concatenate(parts, axis=1)
    cutter = Cutter(**options)
    found = []
    for at in range(0, audio.shape[1], block):
        found += cutter.feed(audio[:, at : at + block])
    return [*found, *cutter.finish()]


def seconds(piece):
    return piece.start / RATE, piece.end / RATE


def test_it_cuts_in_the_middle_of_a_pause():
    first, second = pieces(tone(16), quiet(0.6, 1e-4), tone(5))
    assert 16.05 < first.end / RATE < 16.55
    assert second.start == first.end
    assert second.end == round(21.6 * RATE)


def test_a_pause_before_the_shortest_piece_is_left_alone():
    (one,) = pieces(tone(6), quiet(1), tone(6), shortest=15, longest=35)
    assert seconds(one) == (0, 13)


def test_who_never_pauses_is_cut_where_it_is_quietest():
    first, *_ = pieces(tone(24), tone(0.2, 0.1), tone(30), shortest=15, longest=35)
    assert 24.0 <= first.end / RATE <= 24.2


def test_a_pause_is_found_in_loud_noise():
    first, *_ = pieces(tone(18), quiet(0.5, 0.01), tone(8), quiet(0.5, 0.01), tone(4))
    assert 18.0 < first.end / RATE < 18.5


def test_pieces_in_which_nothing_is_said_are_marked():
    found = pieces(quiet(40, 1e-4), tone(3), shortest=15, longest=35)
    assert [piece.silent for piece in found] == [True, True, False]


def test_a_cut_is_made_where_all_channels_pause():
    left = np.concatenate((tone(16), quiet(4), tone(4)), axis=1)
    right = np.concatenate((tone(18), quiet(2), tone(4)), axis=1)
    first, *_ = pieces(np.concatenate((left, right)), shortest=15, longest=35)
    assert 18.0 < first.end / RATE < 20.0


def test_a_piece_must_be_able_to_end():
    with pytest.raises(ValueError, match="shortest"):
        Cutter(shortest=20, longest=20)


@settings(max_examples=30, deadline=None)
@given(
    parts=st.lists(st.tuples(st.floats(0.01, 8), st.sampled_from([0.0, 1e-4, 0.02, 0.3]))),
    block=st.integers(7, 20_000),
    start=st.integers(0, 10**9),
)
def test_pieces_cover_everything_once_however_it_comes_in(parts, block, start):
    audio = [tone(length, level) for length, level in parts] or [quiet(0)]
    found = pieces(*audio, block=block, start=start, shortest=2.0, longest=5.0)
    total = sum(part.shape[1] for part in audio)
    assert sum(piece.end - piece.start for piece in found) == total
    assert [piece.start for piece in found] == [start, *(piece.end for piece in found)][
        : len(found)
    ]
    assert all(piece.end - piece.start <= 5.02 * RATE for piece in found)
