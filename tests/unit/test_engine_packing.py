from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr_tasks.recognizers.base import BadSnapshot
from asr_tasks.recognizers.packing import pack, unpack


@dataclass
class Thing:
    a: Any
    b: Any = None


CLASSES = {"thing": Thing}

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.text()
    | st.floats(allow_nan=False),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(st.text(), inner)
        | st.lists(inner).map(tuple)
        | inner.map(Thing)
    ),
    max_leaves=20,
)


@given(values)
def test_what_is_packed_is_unpacked(value: object) -> None:
    assert unpack(pack(value, "f", CLASSES), "f", CLASSES) == value


def test_arrays_keep_every_bit() -> None:
    made = {"x": np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32), "n": np.array(7)}
    back = unpack(pack(made, "f", CLASSES), "f", CLASSES)
    assert back["x"].tobytes() == made["x"].tobytes()
    assert back["x"].shape == (3, 4)
    assert back["n"].shape == ()


def test_a_foreign_snapshot_is_refused() -> None:
    with pytest.raises(BadSnapshot, match="another model"):
        unpack(pack([1], "mine", CLASSES), "yours", CLASSES)


def test_nothing_but_the_allowed_classes_is_written() -> None:
    with pytest.raises(TypeError):
        pack(object(), "f", CLASSES)
    with pytest.raises(TypeError):
        pack(Thing(1), "f", {})
    with pytest.raises(BadSnapshot):
        unpack(pack(Thing(1), "f", CLASSES), "f", {})


@given(st.binary(max_size=200))
def test_noise_is_refused(data: bytes) -> None:
    with pytest.raises(BadSnapshot):
        unpack(data, "f", CLASSES)


@given(st.data())
def test_damage_never_does_more_than_raise(data: st.DataObject) -> None:
    whole = bytearray(pack({"x": np.arange(5.0), "y": Thing([1, (2,)])}, "f", CLASSES))
    whole[data.draw(st.integers(0, len(whole) - 1))] ^= data.draw(st.integers(1, 255))
    cut = data.draw(st.integers(0, len(whole)))
    with suppress(BadSnapshot):
        unpack(bytes(whole[:cut]), "f", CLASSES)
