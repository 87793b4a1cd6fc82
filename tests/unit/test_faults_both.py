"""Which of the two matrices `make faults` plays for given words."""

from __future__ import annotations

import pytest

from tests.faults.both import split


def test_without_a_word_both_are_played_whole() -> None:
    assert split([]) == ([], [])


def test_a_word_chooses_where_it_names_something() -> None:
    assert split(["allocator"]) == (["allocator"], None)
    assert split(["short recordings"]) == (None, ["short recordings"])
    assert split(["Redis", "short"]) == (["Redis"], ["Redis", "short"])


def test_a_word_that_names_nothing_is_refused() -> None:
    with pytest.raises(KeyError, match="typewriter"):
        split(["Redis", "typewriter"])
