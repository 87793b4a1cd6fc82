"""What a telephone, a room and another mouth do to speech; cheap, on float32[T] at 16 kHz."""

from __future__ import annotations

from random import Random

import numpy as np
from numpy.typing import NDArray
from scipy.signal import resample_poly

Audio = NDArray[np.float32]
RATE = 16_000


def another_mouth(audio: Audio, random: Random) -> Audio:
    """Speed, pitch and formants together, by up to 16 %: a new speaker for nothing."""
    down = random.randrange(86, 117, 2)
    if down == 100:
        return audio
    return np.asarray(resample_poly(audio, 100, down), np.float32)


def another_room(audio: Audio, random: Random) -> Audio:
    """A random smooth frequency response, −9 to +6 dB."""
    spectrum, frequencies, size = _spectrum(audio)
    knots = np.sort([random.uniform(0, 8000) for _ in range(5)])
    gains = [random.uniform(-9, 6) for _ in range(7)]
    decibels = np.interp(frequencies, np.r_[0, knots, 8000], gains)
    return _back(spectrum * 10 ** (decibels / 20), size, len(audio))


def telephone(audio: Audio, random: Random) -> Audio:
    """Narrow band: nothing below 150–350 Hz nor above 3.2–3.9 kHz."""
    spectrum, frequencies, size = _spectrum(audio)
    low, high = random.uniform(150, 350), random.uniform(3200, 3900)
    spectrum[(frequencies < low) | (frequencies > high)] = 0
    return _back(spectrum, size, len(audio))


def noise(length: int, random: Random) -> Audio:
    """White or pink noise of unit power."""
    source = np.random.default_rng(random.getrandbits(32))
    white = source.standard_normal(length).astype(np.float32)
    if random.random() < 0.4:
        return np.asarray(white, np.float32)
    spectrum, _, size = _spectrum(white)
    spectrum /= np.maximum(np.sqrt(np.arange(len(spectrum))), 1)
    pink = _back(spectrum, size, length)
    return np.asarray(pink / pink.std(), np.float32)


def noisy(audio: Audio, random: Random) -> Audio:
    """Noise at 8 to 38 dB below the speech in two cases of three, else a faint hiss."""
    if random.random() < 0.65:
        level = audio.std() * 10 ** (-random.uniform(8, 38) / 20)
        return audio + noise(len(audio), random) * np.float32(level)
    return audio + noise(len(audio), random) * np.float32(10 ** random.uniform(-5, -3.5))


def silence(least: float, most: float, random: Random) -> Audio:
    """Seconds of nothing."""
    return np.zeros(int(random.uniform(least, most) * RATE), np.float32)


def everything(audio: Audio, random: Random) -> Audio:
    """Room, telephone, noise and gain, each by chance."""
    if random.random() < 0.5:
        audio = another_room(audio, random)
    if random.random() < 0.2:
        audio = telephone(audio, random)
    audio = noisy(audio, random)
    peak = max(1e-3, float(np.abs(audio).max()))
    return (audio / peak * 10 ** random.uniform(-1.1, -0.05)).astype(np.float32)


def _spectrum(audio: Audio) -> tuple[NDArray[np.complex128], NDArray[np.float64], int]:
    size = 1 << (len(audio) - 1).bit_length()
    frequencies = np.fft.rfftfreq(size, 1 / RATE).astype(np.float64)
    return np.fft.rfft(audio, size), frequencies, size


def _back(spectrum: NDArray[np.complex128], size: int, length: int) -> Audio:
    return np.fft.irfft(spectrum, size)[:length].astype(np.float32)
