"""A snapshot's bytes: explicit values and arrays, no pickle.

Layout: magic, version, length of the JSON head, the head, then the arrays' bytes. Redis holds
these bytes, so reading them must never run code: what the head may name is a closed list.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from asr_tasks.recognizers.base import BadSnapshot

MAGIC: Final = b"ASRS"
VERSION: Final = 1
_HEAD: Final = struct.Struct("<4sBI")
_DTYPES: Final = ("float32", "float16", "float64", "int64", "int32", "int16", "uint8", "bool")
_LIMIT: Final = 256 * 2**20
"""Bytes of arrays that a snapshot may unpack to."""

Classes = Mapping[str, type[Any]]
"""Dataclasses that may appear in a snapshot, by the name they are written under."""


def pack(value: object, fingerprint: str, classes: Classes) -> bytes:
    """Write ``value``: JSON values, tuples, numpy arrays, and dataclasses of ``classes``.

    Raises:
        TypeError: something else is in it.
    """
    arrays: list[NDArray[Any]] = []
    body = _encode(value, arrays, {cls: name for name, cls in classes.items()})
    head = json.dumps(
        {
            "fingerprint": fingerprint,
            "value": body,
            "arrays": [[str(a.dtype), list(a.shape)] for a in arrays],
        },
        separators=(",", ":"),
    ).encode()
    blob = b"".join(np.ascontiguousarray(array).tobytes() for array in arrays)
    head = zlib.compress(head, 1)
    return _HEAD.pack(MAGIC, VERSION, len(head)) + head + blob


def unpack(data: bytes, fingerprint: str, classes: Classes) -> Any:
    """Inverse of :func:`pack`; arrays are fresh copies.

    Raises:
        BadSnapshot: damaged, or of another version or fingerprint.
    """
    try:
        magic, version, length = _HEAD.unpack_from(data)
        if magic != MAGIC or version != VERSION:
            raise BadSnapshot(f"not a snapshot of version {VERSION}")
        at = _HEAD.size + length
        head = json.loads(zlib.decompress(data[_HEAD.size : at], bufsize=4096))
        if head["fingerprint"] != fingerprint:
            raise BadSnapshot("it is of another model or configuration")
        return _decode(head["value"], _arrays(head["arrays"], memoryview(data)[at:]), classes)
    except BadSnapshot:
        raise
    except (struct.error, zlib.error, ValueError, KeyError, TypeError, IndexError) as error:
        raise BadSnapshot(f"damaged: {error!r}") from error


def _arrays(shapes: list[Any], blob: memoryview) -> list[NDArray[Any]]:
    arrays, at = [], 0
    for name, shape in shapes:
        if name not in _DTYPES or any(type(n) is not int or n < 0 for n in shape):
            raise BadSnapshot(f"an array of {name}{shape}")
        dtype = np.dtype(name)
        size = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
        if size > _LIMIT or at + size > len(blob):
            raise BadSnapshot("cut short")
        arrays.append(np.frombuffer(blob[at : at + size], dtype).reshape(shape).copy())
        at += size
    if at != len(blob):
        raise BadSnapshot("longer than it says")
    return arrays


def _encode(value: object, arrays: list[NDArray[Any]], names: Mapping[type[Any], str]) -> Any:
    if value is None or type(value) in (bool, int, float, str):
        return value
    if isinstance(value, np.ndarray):
        if str(value.dtype) not in _DTYPES:
            raise TypeError(f"cannot save an array of {value.dtype}")
        arrays.append(value)
        return {"a": len(arrays) - 1}
    if isinstance(value, list):
        return [_encode(item, arrays, names) for item in value]
    if isinstance(value, tuple):
        return {"t": [_encode(item, arrays, names) for item in value]}
    if isinstance(value, dict) and all(type(key) is str for key in value):
        return {"d": {key: _encode(item, arrays, names) for key, item in value.items()}}
    if is_dataclass(value) and type(value) in names:
        parts = {f.name: getattr(value, f.name) for f in fields(value)}
        encoded = {key: _encode(item, arrays, names) for key, item in parts.items()}
        return {"c": names[type(value)], "f": encoded}
    raise TypeError(f"cannot save a {type(value).__name__}")


def _decode(value: Any, arrays: list[NDArray[Any]], classes: Classes) -> Any:
    if isinstance(value, list):
        return [_decode(item, arrays, classes) for item in value]
    if not isinstance(value, dict):
        return value
    if "a" in value:
        return arrays[value["a"]]
    if "t" in value:
        return tuple(_decode(item, arrays, classes) for item in value["t"])
    if "d" in value:
        return {key: _decode(item, arrays, classes) for key, item in value["d"].items()}
    cls = classes[value["c"]]
    return cls(**{key: _decode(item, arrays, classes) for key, item in value["f"].items()})
