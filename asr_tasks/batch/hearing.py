"""Hear some pieces of a recording: a few steps of the model; find what kills it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from asr_tasks import log
from asr_tasks.batch import piece, plan
from asr_tasks.contracts.audio import SAMPLE_RATE
from asr_tasks.contracts.errors import RecogniserFailed
from asr_tasks.contracts.jobs import Channels
from asr_tasks.contracts.transcript import Utterance
from asr_tasks.jobs.records import Stretch, said
from asr_tasks.recognizers.offline import OfflineRecognizer

_log = log.get("asr.batch")

MAX_TRIES: Final = 3
"""Of one piece alone, each of which ended with its worker's death, or an error of the model."""

TOGETHER: Final = 1
"""Tries of several pieces together before each is tried alone."""

Try = Callable[[str], int]
"""Count a try of what is named; returns how many that makes."""

Voice = tuple[int, int | None, NDArray[np.float32]]
"""Place of the piece among those asked for, its channel, its samples."""


def hear(
    recognizer: OfflineRecognizer,
    audio: NDArray[np.float32],
    pieces: Sequence[Stretch],
    channels: Channels,
    try_: Try,
) -> Iterator[Mapping[int, str]]:
    """What was said in the pieces, as it is kept, some at a time.

    The first try hears all of them together. When that ended with the worker's death, or ends with
    an error, each is heard alone and counted before: what dies again and again is found, and the
    others are kept.

    Args:
        recognizer: of the job's model.
        audio: float32[C, T] from the first piece's beginning to the last one's end.
        pieces: not heard yet, in order; what lies between them is not listened to.
        channels: what to listen to.
        try_: counts tries.

    Raises:
        RecogniserFailed: a piece was tried too often; the message names its time.
    """
    first = pieces[0].start
    whole = f"{pieces[0].index}-{pieces[-1].index}"
    if try_(whole) <= TOGETHER:
        try:
            yield _said(recognizer, audio, pieces, first, channels)
            return
        except Exception as error:
            _log.warning("pieces are heard one by one", pieces=whole, error=str(error)[:200])
    for one in pieces:
        yield _alone(recognizer, audio, one, first, channels, try_)


def _alone(
    recognizer: OfflineRecognizer,
    audio: NDArray[np.float32],
    one: Stretch,
    first: int,
    channels: Channels,
    try_: Try,
) -> Mapping[int, str]:
    while try_(str(one.index)) <= MAX_TRIES:
        try:
            return _said(recognizer, audio, [one], first, channels)
        except Exception as error:
            _log.warning("a piece fails", piece=one.index, error=str(error)[:200])
    begin, end = one.start / SAMPLE_RATE, one.end / SAMPLE_RATE
    raise RecogniserFailed(
        f"The recogniser fails on the audio from {begin:.1f} s to {end:.1f} s; "
        f"the job was given up after {MAX_TRIES} tries."
    )


def _said(
    recognizer: OfflineRecognizer,
    audio: NDArray[np.float32],
    pieces: Sequence[Stretch],
    first: int,
    channels: Channels,
) -> Mapping[int, str]:
    voices: list[Voice] = [
        (place, channel, samples)
        for place, one in enumerate(pieces)
        for channel, samples in plan.voices(audio[:, one.start - first : one.end - first], channels)
        if samples.size
    ]
    words = recognizer.recognise([samples for _, _, samples in voices])
    found: dict[int, list[Utterance]] = {one.index: [] for one in pieces}
    for (place, channel, _), heard in zip(voices, words, strict=True):
        offset = pieces[place].start / SAMPLE_RATE
        found[pieces[place].index] += piece.utterances(heard, offset, channel)
    return {index: said(utterances) for index, utterances in found.items()}
