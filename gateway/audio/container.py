"""Containers (wav, flac, mp3, ogg, webm, mp4): FFmpeg's own demuxers, in a thread per stream.

FFmpeg pulls its input and our input arrives when it likes, so each container has a thread that
blocks in :class:`Pipe` until bytes come. What it decodes goes through a callback that blocks,
too, while the session's buffer is full: a bomb that would unpack to gigabytes waits there.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from typing import Final

import av
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler

from asr_tasks.contracts.audio import SAMPLE_RATE
from asr_tasks.contracts.errors import BadAudio

PIPE_BYTES: Final = 256 * 1024
"""Undecoded input that is held at most before the writer has to wait."""

_READ_BYTES: Final = 1024
_FORMATS: Final = (
    "wav",
    "w64",
    "flac",
    "mp3",
    "ogg",
    "matroska,webm",
    "mov,mp4,m4a,3gp,3g2,mj2",
    "aac",
    "aiff",
    "au",
    "caf",
    "amr",
)
"""Demuxers whose name a stream may have; playlists and devices that open other files are not."""
_MAX_SOURCE_RATE: Final = 768_000
_MAX_SOURCE_CHANNELS: Final = 32


class Closed(Exception):
    """The pipe or the sink was closed: the session is over, the decoder has to stop."""


class Pipe:
    """Bytes from the event loop to a decoder thread; also a file object for FFmpeg.

    Thread-safe. :meth:`write` never blocks; callers look at :attr:`full` first.
    """

    def __init__(self, on_room: Callable[[], None]) -> None:
        """``on_room`` is called from the reading thread each time bytes were taken."""
        self._changed = threading.Condition()
        self._pieces: deque[bytes] = deque()
        self._held = 0
        self._ended = False
        self._closed = False
        self._on_room = on_room
        self.taken = 0
        """Bytes read so far."""

    @property
    def full(self) -> bool:
        """Whether the writer has to wait."""
        return self._held >= PIPE_BYTES

    def write(self, data: bytes) -> None:
        """Append."""
        with self._changed:
            self._pieces.append(data)
            self._held += len(data)
            self._changed.notify()

    def end(self) -> None:
        """No more bytes: the reader gets the rest, then end of file."""
        with self._changed:
            self._ended = True
            self._changed.notify()

    def close(self) -> None:
        """The reader gets :class:`Closed` at once."""
        with self._changed:
            self._closed = True
            self._pieces.clear()
            self._held = 0
            self._changed.notify()

    def read(self, size: int) -> bytes:
        """Up to ``size`` bytes, at least one; empty at the end. Blocks until the owner writes,
        ends or closes (every session has limits that make it do one of the three).
        """
        with self._changed:
            self._changed.wait_for(lambda: self._pieces or self._ended or self._closed)
            if self._closed:
                raise Closed
            if not self._pieces:
                return b""
            piece = self._pieces.popleft()
            if len(piece) > size:
                self._pieces.appendleft(piece[size:])
                piece = piece[:size]
            self._held -= len(piece)
            self.taken += len(piece)
        self._on_room()
        return piece


def decode(pipe: Pipe, sink: Callable[[bytes], None]) -> bool:
    """Decode everything the pipe gives; blocks until its end.

    Args:
        pipe: the container's bytes, as they come.
        sink: called with PCM16LE mono 16 kHz; may block, may raise :class:`Closed`.

    Returns:
        Whether the container ended too early or had damaged parts (what was there was decoded).

    Raises:
        BadAudio: not a container we know, or nothing in it could be decoded.
        Closed: from the pipe or the sink.
    """
    try:
        opened = av.open(
            pipe,
            mode="r",
            buffer_size=_READ_BYTES,
            # Look at little before starting: a live stream's first words must not wait for it.
            options={
                "probesize": "4096",
                "analyzeduration": "0",
                "format_whitelist": ",".join(_FORMATS),
                "protocol_whitelist": "",
            },
            metadata_errors="ignore",
        )
    except (av.FFmpegError, ValueError) as error:
        raise BadAudio(f"not a container of audio that is known here: {_short(error)}") from error
    with opened as container:
        if not container.streams.audio:
            raise BadAudio("the container holds no audio")
        stream = container.streams.audio[0]
        context = stream.codec_context
        if context.sample_rate > _MAX_SOURCE_RATE or context.channels > _MAX_SOURCE_CHANNELS:
            raise BadAudio("the container declares an impossible rate or number of channels")
        resampler = AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE)
        frames = _Frames(container, stream)
        samples = 0
        for frame in frames:
            for part in resampler.resample(frame):
                samples += part.samples
                sink(_pcm(part))
        if not samples and frames.damage:
            raise BadAudio(f"nothing in the container could be decoded: {frames.damage}")
        for part in resampler.resample(None):
            sink(_pcm(part))
        return frames.damage is not None


class _Frames:
    """Decoded frames in order; a damaged packet is left out, a damaged container ends it."""

    def __init__(
        self, container: av.container.InputContainer, stream: av.audio.stream.AudioStream
    ) -> None:
        self._container = container
        self._stream = stream
        self.damage: str | None = None

    def __iter__(self) -> Iterator[AudioFrame]:
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


def _pcm(frame: AudioFrame) -> bytes:
    return bytes(frame.planes[0])[: frame.samples * 2]


def _short(error: Exception) -> str:
    return str(error).split("\n", 1)[0][:120]
