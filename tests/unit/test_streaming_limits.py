"""How often a stream saves its state."""

from __future__ import annotations

import pytest

from asr_tasks.streaming.limits import Limits


@pytest.mark.parametrize(
    ("state", "seconds"), [(0, 1.0), (50_000, 1.0), (150_000, 1.5), (2_700_000, 4.0)]
)
def test_a_small_state_is_saved_more_often(state, seconds):
    assert Limits().checkpoint_seconds(state) == seconds
