"""Audio as it travels inside the system: 16 kHz mono PCM16LE, addressed by sample position.

A chunk is identified by where it lies in the session's audio, not by a counter: a sender
that resumes may cut the audio differently, and overlap is then trimmed to the sample.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

SAMPLE_RATE: Final = 16_000
"""Samples per second of all audio between gateway and recogniser."""

BYTES_PER_SAMPLE: Final = 2
"""Signed 16-bit little-endian."""

AUDIO_VERSION: Final = 1
"""Version of the message format below, sent in the header ``v``."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of a session's audio.

    Attributes:
        start: position of the first sample in the session's audio, 16 kHz samples, ≥ 0.
        pcm: PCM16LE mono, 16 kHz; an even number of bytes. Empty for the two markers below.
        eos: end of stream; ``start`` is then the total length and ``pcm`` is empty.

    An empty chunk without ``eos`` is a keep-alive: the sender is there, the client is silent.
    """

    start: int
    pcm: bytes = b""
    eos: bool = False

    @property
    def samples(self) -> int:
        """Length in samples."""
        return len(self.pcm) // BYTES_PER_SAMPLE

    @property
    def end(self) -> int:
        """Position just after the last sample."""
        return self.start + self.samples

    @property
    def seconds(self) -> float:
        """Length in seconds."""
        return self.samples / SAMPLE_RATE

    def after(self, position: int) -> Chunk:
        """The part of this chunk at and after ``position`` (may be empty)."""
        if position <= self.start:
            return self
        skip = min(position - self.start, self.samples) * BYTES_PER_SAMPLE
        return Chunk(max(position, self.start), self.pcm[skip:], self.eos)


def seconds(samples: int) -> float:
    """Samples at 16 kHz as seconds."""
    return samples / SAMPLE_RATE
