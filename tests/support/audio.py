"""Audio for tests: noise, whose every sample counts."""

from __future__ import annotations

import io

import numpy as np


def noise(seconds: float, seed: int = 1) -> bytes:
    """PCM16LE mono 16 kHz."""
    rng = np.random.default_rng(seed)
    return rng.integers(-8000, 8000, int(seconds * 16_000), dtype=np.int16).tobytes()


def wav(pcm: bytes, rate: int = 16_000) -> bytes:
    """PCM16LE mono as a wav file."""
    import soundfile

    buffer = io.BytesIO()
    soundfile.write(buffer, np.frombuffer(pcm, "<i2"), rate, format="WAV", subtype="PCM_16")
    return buffer.getvalue()


def encoded(pcm: bytes, kind: str, subtype: str) -> bytes:
    """PCM16LE mono 16 kHz in a container."""
    import soundfile

    buffer = io.BytesIO()
    soundfile.write(buffer, np.frombuffer(pcm, "<i2"), 16_000, format=kind, subtype=subtype)
    return buffer.getvalue()
