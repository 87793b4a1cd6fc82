"""espeak-ng through its library, for the times of the words."""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

_RETRIEVAL = 1
_WORD = 1
_RATE_PARAMETER, _PITCH_PARAMETER = 1, 3
_UTF8 = 1


class _Id(ctypes.Union):
    _fields_ = [("number", ctypes.c_int), ("name", ctypes.c_char_p), ("text", ctypes.c_char * 8)]


class _Event(ctypes.Structure):
    """espeak_EVENT of speak_lib.h."""

    _fields_ = [
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _Id),
    ]


_CALLBACK = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event)
)


class _Library:
    """One synthesiser a process; it is not thread-safe."""

    def __init__(self) -> None:
        try:
            self._lib: Any = ctypes.CDLL("libespeak-ng.so.1")
        except OSError as error:
            raise LookupError("espeak-ng is not installed") from error
        self.rate = int(self._lib.espeak_Initialize(_RETRIEVAL + 1, 0, None, 0))
        self._pieces: list[NDArray[np.int16]] = []
        self._begins: dict[int, float] = {}
        self._callback = _CALLBACK(self._collect)
        self._lib.espeak_SetSynthCallback(self._callback)

    def say(
        self, text: str, voice: str, words_per_minute: int, pitch: int
    ) -> tuple[NDArray[np.float32], dict[int, float]]:
        """Samples, and where (seconds) the word at each text position (from 1) begins."""
        self._pieces, self._begins = [], {}
        self._lib.espeak_SetVoiceByName(voice.encode())
        self._lib.espeak_SetParameter(_RATE_PARAMETER, words_per_minute, 0)
        self._lib.espeak_SetParameter(_PITCH_PARAMETER, pitch, 0)
        data = text.encode()
        self._lib.espeak_Synth(data, len(data) + 1, 0, 1, 0, _UTF8, None, None)
        self._lib.espeak_Synchronize()
        return np.concatenate(self._pieces).astype(np.float32), self._begins

    def _collect(self, samples: Any, count: int, events: Any) -> int:
        if samples and count > 0:
            self._pieces.append(np.ctypeslib.as_array(samples, (count,)).copy())
        at = 0
        while events[at].type != 0:
            if events[at].type == _WORD:
                self._begins[events[at].text_position] = events[at].audio_position / 1000
            at += 1
        return 0


@cache
def _library() -> _Library:
    return _Library()


def say(
    text: str, voice: str, words_per_minute: int, pitch: int
) -> tuple[int, NDArray[np.float32], tuple[tuple[str, float, float], ...]]:
    """Rate, samples, and the words with start and end in seconds."""
    library = _library()
    audio, begins = library.say(text, voice, words_per_minute, pitch)
    loud = np.flatnonzero(np.abs(audio) > 0.02 * np.abs(audio).max())
    starts = spread(text, begins, float(loud[0]) / library.rate, float(loud[-1]) / library.rate)
    words = text.split()
    times = tuple(
        (word, starts[i], max(starts[i + 1], starts[i] + 0.03)) for i, word in enumerate(words)
    )
    return library.rate, audio, times


def spread(text: str, begins: dict[int, float], first: float, last: float) -> list[float]:
    """Where each word begins, and where the last one ends.

    espeak joins some short words; one that was not reported is placed between its neighbours
    by the number of letters.
    """
    positions = []
    at = 1
    for word in text.split():
        positions.append(at)
        at += len(word) + 1
    known: list[float | None] = [begins.get(position) for position in positions]
    known[0] = known[0] if known[0] is not None else first
    marks = [*known, last]
    letters = [len(word) + 1 for word in text.split()]
    for i, mark in enumerate(marks):
        if mark is not None:
            continue
        after = next(j for j in range(i, len(marks)) if marks[j] is not None)
        left, right = marks[i - 1], marks[after]
        assert left is not None
        assert right is not None
        share = letters[i - 1] / sum(letters[i - 1 : after])
        marks[i] = left + (right - left) * share
    return [float(mark) for mark in marks if mark is not None]
