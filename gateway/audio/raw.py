"""Raw samples of any supported format to 16 kHz mono PCM16."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from asr_tasks.contracts.audio import SAMPLE_RATE
from gateway.audio import resample
from gateway.audio.source import Source


class RawDecoder:
    """Cuts bytes into sample frames, mixes to mono, resamples. For one stream; may be called
    from any one thread at a time.
    """

    def __init__(self, source: Source, accepted: int = 0) -> None:
        """Args:
        source: the format; ``kind`` is raw.
        accepted: samples at 16 kHz that are stored already; those are left out.
        """
        self._source = source
        self._rest = b""
        self._skip = 0
        self._resampler: resample.Resampler | None = None
        if source.rate != SAMPLE_RATE:
            _, first = resample.restart(source.rate, accepted)
            self._resampler = resample.Resampler(source.rate, first)
            self._skip = accepted - first

    def feed(self, data: bytes) -> bytes:
        """PCM16LE mono 16 kHz of the whole frames so far."""
        data = self._rest + data if self._rest else data
        whole = len(data) - len(data) % self._source.frame_bytes
        self._rest = data[whole:]
        return self._convert(data[:whole], last=False)

    def finish(self) -> bytes:
        """What the resampler still holds."""
        return self._convert(b"", last=True)

    @property
    def incomplete(self) -> bool:
        """Whether the bytes so far end inside a sample frame."""
        return bool(self._rest)

    def _convert(self, data: bytes, *, last: bool) -> bytes:
        if self._source.passes_through:
            return data
        samples = mono(data, self._source)
        if self._resampler is not None:
            samples = self._resampler.feed(samples, last=last)
        skipped = min(self._skip, len(samples))
        self._skip -= skipped
        return samples[skipped:].astype("<i2").tobytes()


def mono(data: bytes, source: Source) -> NDArray[np.int16]:
    """Interleaved frames to one channel, int16[frames]; the mean, rounded down."""
    match source.sample:
        case "s16le":
            samples = np.frombuffer(data, "<i2")
        case "s16be":
            samples = np.frombuffer(data, ">i2").astype(np.int16)
        case "u8":
            samples = (np.frombuffer(data, np.uint8).astype(np.int16) - 128) << 8
        case "s32le":
            samples = (np.frombuffer(data, "<i4") >> 16).astype(np.int16)
        case _:
            finite = np.nan_to_num(np.frombuffer(data, "<f4"), posinf=1.0, neginf=-1.0)
            samples = np.rint(np.clip(finite, -1.0, 1.0) * 32767).astype(np.int16)
    if source.channels == 1:
        return samples
    frames = samples.reshape(-1, source.channels).astype(np.int32)
    mixed: NDArray[np.int16] = (frames.sum(axis=1) // source.channels).astype(np.int16)
    return mixed


def resume_byte(source: Source, accepted: int) -> int:
    """From which byte of its stream a client has to send again."""
    if source.kind == "container":
        return 0
    if source.rate == SAMPLE_RATE:
        return accepted * source.frame_bytes
    start, _ = resample.restart(source.rate, accepted)
    return start * source.frame_bytes


def accepted_bytes(source: Source, accepted: int) -> int:
    """How many bytes of a raw stream the first ``accepted`` samples at 16 kHz cover."""
    if source.rate == SAMPLE_RATE:
        return accepted * source.frame_bytes
    up, down = resample.ratio(source.rate)
    return accepted * down // up * source.frame_bytes
