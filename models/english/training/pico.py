"""SVOX Pico's English voices, if the package ``py-nanotts`` (Apache-2.0) is there."""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
from numpy.typing import NDArray

RATE = 16_000


def available() -> bool:
    """Whether the package is installed."""
    return find_spec("py_nanotts") is not None


def say(text: str, voice: str, speed: float, pitch: float) -> tuple[int, NDArray[np.float32]]:
    """Rate and samples; ``pitch`` 0.7 to 1.35 makes other people of the same voice.

    Raises:
        LookupError: the package is not installed.
    """
    if not available():
        raise LookupError("py-nanotts is not installed")
    from py_nanotts import NanoTTS

    data = NanoTTS().speak(text, voice=voice, speed=speed, pitch=pitch)
    return RATE, np.frombuffer(data, np.int16).astype(np.float32)
