"""Audio of any kind as 16 kHz mono PCM16LE, a piece at a time, in bounded memory.

FFmpeg's libraries decode and resample (through PyAV), so whatever they read works.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from typing import Any

import av

RATE = 16_000
BYTES_PER_SECOND = RATE * 2
PIECE = RATE // 10 * 2
"""Bytes of one piece: 0.1 s."""


RAW_FORMATS = ("s16le", "s16be", "s24le", "s32le", "f32le", "u8", "mulaw", "alaw")


class Unreadable(Exception):
    """Not audio that can be read; the message says why."""


def read(
    source: str, *, rate: int = 0, channels: int = 1, raw_format: str = "s16le"
) -> Iterator[bytes]:
    """Pieces of 0.1 s of a file, or of standard input (``-``); the last may be shorter.

    Args:
        source: a path, or ``-``.
        rate: Hz; if given the source is raw samples, else a container whose kind is recognised.
        channels: of raw samples, interleaved.
        raw_format: of raw samples, one of :data:`RAW_FORMATS`.

    Raises:
        Unreadable: missing, not audio, or damaged before its first sound.
    """
    opened: str | _Pipe = _Pipe(sys.stdin.fileno()) if source == "-" else source
    options = {"sample_rate": str(rate), "ch_layout": f"{channels} channels"} if rate else {}
    try:
        container = av.open(opened, format=raw_format if rate else None, options=options)
    except (av.FFmpegError, OSError) as error:
        raise Unreadable(f"{source}: {_reason(error)}") from error
    with container:
        if not container.streams.audio:
            raise Unreadable(f"{source}: there is no audio in it")
        yield from _pieces(_resampled(container))


class _Pipe:
    """Standard input for FFmpeg: what is there now, not what fills a buffer.

    Not Python's own object: that waits for full blocks (of a live source, for seconds), and its
    lock, held by a thread that still reads, ends the interpreter with an error.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def read(self, size: int) -> bytes:
        """Up to ``size`` bytes; empty at the end."""
        return os.read(self._descriptor, size)


def microphone() -> Iterator[bytes]:
    """Pieces of 0.1 s from the default microphone, until the program ends.

    Raises:
        Unreadable: sounddevice (the extra ``mic``) or a microphone is missing.
    """
    try:
        import sounddevice
    except (ImportError, OSError) as error:
        raise Unreadable(
            "the microphone needs the package sounddevice: pip install 'asr-stream-tasks[mic]'"
        ) from error
    try:
        with sounddevice.RawInputStream(RATE, PIECE // 2, channels=1, dtype="int16") as stream:
            while True:
                data, _ = stream.read(PIECE // 2)
                yield bytes(data)
    except sounddevice.PortAudioError as error:
        raise Unreadable(f"no microphone: {error}") from error


def _resampled(container: Any) -> Iterator[bytes]:
    resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE)
    try:
        for frame in container.decode(audio=0):
            for ready in resampler.resample(frame):
                yield _bytes(ready)
    except av.error.EOFError:
        pass
    except av.FFmpegError as error:
        # A file cut in half: what was there counts.
        sys.stderr.write(f"asr: the audio is damaged: {_reason(error)}\n")
    for ready in resampler.resample(None):
        yield _bytes(ready)


def _pieces(blocks: Iterator[bytes]) -> Iterator[bytes]:
    waiting = bytearray()
    for block in blocks:
        waiting += block
        while len(waiting) >= PIECE:
            yield bytes(waiting[:PIECE])
            del waiting[:PIECE]
    if waiting:
        yield bytes(waiting)


def _bytes(frame: Any) -> bytes:
    return bytes(frame.planes[0])[: frame.samples * 2]


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
