"""A recording's samples, from any place in it, in bounded memory.

Times come from the container's own time stamps: where packets are damaged or missing, silence takes
their place, so that what follows keeps its time.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any, Final

import av
import numpy as np
from av.audio.resampler import AudioResampler
from numpy.typing import NDArray

from asr_tasks.contracts.audio import SAMPLE_RATE
from asr_tasks.contracts.errors import BadAudio

PREROLL: Final = 1.0
"""Seconds decoded and thrown away before a start in the middle: decoders and the resampler need a
part of a second until their output is that of a run from the beginning."""

GAP: Final = 0.1
"""Seconds by which a time stamp may run ahead of the samples before silence is put in."""

_LONGEST_GAP: Final = 3600
_MAX_CHANNELS: Final = 32
_MAX_RATE: Final = 768_000


@dataclass(frozen=True, slots=True)
class Probe:
    """What is in a recording.

    Attributes:
        duration: seconds, or None where the container does not say.
        channels: how many.
        codec: FFmpeg's name of it.
    """

    duration: float | None
    channels: int
    codec: str


def probe(file: IO[bytes]) -> Probe:
    """Look at the container's head.

    Raises:
        BadAudio: not a container of audio that FFmpeg's libraries know.
    """
    with _open(file) as container:
        stream = _audio(container)
        start = stream.start_time or 0
        duration: float | None = None
        if stream.duration:
            duration = float(stream.duration * stream.time_base)
        elif container.duration:
            duration = container.duration / av.time_base - float(start * (stream.time_base or 0))
        codec = stream.codec_context
        return Probe(duration, int(codec.channels), str(codec.name))


def blocks(file: IO[bytes], start: int = 0) -> Iterator[NDArray[np.float32]]:
    """The samples from ``start`` on.

    Args:
        file: seekable.
        start: sample at 16 kHz, counted from the beginning of the recording.

    Yields:
        float32[C, T] in [-1, 1], 16 kHz; a fraction of a second at a time.

    Raises:
        BadAudio: nothing in it can be decoded.
    """
    with _open(file) as container:
        stream = _audio(container)
        position = _seek(container, stream, start)
        frames = _Frames(container, stream)
        clock = _Clock(position)
        resampler: AudioResampler | None = None
        skip = start
        for frame in frames:
            if resampler is None:
                resampler = AudioResampler(
                    format="fltp", layout=frame.layout.name, rate=SAMPLE_RATE
                )
            silence = clock.before(frame, stream)
            if silence:
                gap = np.zeros((frame.layout.nb_channels, silence), np.float32)
                yield from _after(gap, clock.advance(silence), skip)
            for part in resampler.resample(frame):
                yield from _after(_samples(part), clock.advance(part.samples), skip)
        if resampler is not None:
            for part in resampler.resample(None):
                yield from _after(_samples(part), clock.advance(part.samples), skip)
        if not clock.moved and frames.damage:
            raise BadAudio(f"nothing in the recording could be decoded: {frames.damage}")


def read(file: IO[bytes], start: int, end: int) -> NDArray[np.float32]:
    """The samples from ``start`` up to ``end``; fewer where the recording ends before.

    Returns:
        float32[C, T], 16 kHz.

    Raises:
        BadAudio: nothing in it can be decoded.
    """
    parts: list[NDArray[np.float32]] = []
    left = end - start
    for block in blocks(file, start):
        parts.append(block[:, :left])
        left -= parts[-1].shape[1]
        if left <= 0:
            break
    if not parts:
        return np.zeros((1, 0), np.float32)
    return np.concatenate(parts, axis=1)


class _Clock:
    """Where the next sample belongs: the container's time where it has one, else a count."""

    def __init__(self, position: int | None) -> None:
        self._position = position
        self.moved = False

    def before(self, frame: Any, stream: Any) -> int:
        """Samples of silence that are missing before the frame."""
        said = _sample_of(frame.pts, stream)
        if self._position is None:
            self._position = said or 0
        if said is None:
            return 0
        missing = said - self._position
        return missing if GAP * SAMPLE_RATE < missing < _LONGEST_GAP * SAMPLE_RATE else 0

    def advance(self, samples: int) -> int:
        """Count them; returns where they begin."""
        assert self._position is not None
        begin = self._position
        self._position += samples
        self.moved = self.moved or samples > 0
        return begin


class _Frames:
    """Decoded frames in order; a damaged packet is left out, a damaged container ends it."""

    def __init__(self, container: Any, stream: Any) -> None:
        self._container = container
        self._stream = stream
        self.damage: str | None = None

    def __iter__(self) -> Iterator[Any]:
        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets)
            except StopIteration:
                return
            except av.FFmpegError as error:
                self.damage = _short(error)
                return
            try:
                yield from packet.decode()
            except av.FFmpegError as error:
                self.damage = _short(error)


def _open(file: IO[bytes]) -> Any:
    file.seek(0)
    try:
        # No protocol: a playlist must not open other files.
        return av.open(file, mode="r", options={"protocol_whitelist": ""}, metadata_errors="ignore")
    except (av.FFmpegError, ValueError) as error:
        raise BadAudio(f"not a recording that is understood here: {_short(error)}") from error


def _audio(container: Any) -> Any:
    if not container.streams.audio:
        raise BadAudio("the recording holds no audio")
    stream = container.streams.audio[0]
    context = stream.codec_context
    if context.sample_rate > _MAX_RATE or not 0 < context.channels <= _MAX_CHANNELS:
        raise BadAudio("the recording declares an impossible rate or number of channels")
    return stream


def _seek(container: Any, stream: Any, start: int) -> int | None:
    """Go to a little before ``start``; the position there, or None: the first frame tells."""
    seconds = start / SAMPLE_RATE - PREROLL
    if seconds <= 0:
        return 0
    offset = int(seconds / stream.time_base) + (stream.start_time or 0)
    try:
        container.seek(offset, stream=stream, backward=True)
    except av.FFmpegError:
        # Not seekable (a raw stream, say): from the beginning, thrown away up to the start.
        container.seek(0)
        return 0
    return None


def _samples(frame: Any) -> NDArray[np.float32]:
    samples: NDArray[np.float32] = frame.to_ndarray()
    return samples


def _sample_of(pts: int | None, stream: Any) -> int | None:
    if pts is None:
        return None
    seconds = float((pts - (stream.start_time or 0)) * stream.time_base)
    return round(seconds * SAMPLE_RATE)


def _after(block: NDArray[np.float32], begin: int, start: int) -> Iterator[NDArray[np.float32]]:
    skipped = min(max(start - begin, 0), block.shape[1])
    if skipped < block.shape[1]:
        yield block[:, skipped:]


def _short(error: Exception) -> str:
    return str(error).split("\n", 1)[0][:120]
