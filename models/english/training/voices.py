"""The synthetic voices, and which of them no training ever hears."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

ESPEAK_ACCENTS = [
    "en-us", "en-us", "en-us", "en-gb", "en-gb-x-rp", "en-us-nyc", "en-029", "en-gb-x-gbclan",
    "en-gb-scotland", "en-gb-x-gbcwmd",
]  # fmt: skip
ESPEAK_VARIANTS = [
    "m1", "m2", "m3", "m4", "m5", "m6", "m7", "f1", "f2", "f3", "f4", "Andy", "Annie", "Gene",
    "Linda", "Michael", "David", "steph", "Alicia", "klatt2", "Mike", "Lee", "adam", "Alex",
    "Andrea", "antonio", "belinda", "boris", "ed", "Henrique", "Hugo", "iven", "Jacky", "Marco",
    "max", "miguel", "norbert", "paul", "robert", "sandro", "shelby", "travis", "victor", "zac",
]  # fmt: skip
FLITE = ["slt", "slt", "awb", "awb", "kal16"]
FESTIVAL = ["cmu_us_slt_arctic_hts", "ked_diphone", "kal_diphone"]
PICO = ["en-US", "en-US", "en-GB"]
KOKORO = ["jf_alpha", "jf_gongitsune", "jf_nezumi", "jf_tebukuro"]


@dataclass(frozen=True, slots=True)
class Voice:
    """A synthesiser and one of its voices, e.g. ``flite:rms``."""

    engine: str
    name: str

    def __str__(self) -> str:
        return f"{self.engine}:{self.name}"


HELD_OUT = Voice("flite", "rms")
"""The voice of the demo recordings and of the second row of the figures."""

HELD_OUT_NATURAL = Voice("kokoro", "jm_kumo")
"""A natural-sounding voice that is not trained on either."""


def training_voice(random: Random, *, kokoro: bool, pico: bool) -> Voice:
    """One of the voices that may be trained on; the last two engines only if they are there."""
    if pico and random.random() < 0.12:
        return Voice("pico", random.choice(PICO))
    if kokoro and random.random() < 0.06:
        return Voice("kokoro", random.choice(KOKORO))
    kind = random.random()
    if kind < 0.42:
        accent = random.choice(ESPEAK_ACCENTS)
        return Voice("espeak", f"{accent}+{random.choice(ESPEAK_VARIANTS)}")
    if kind < 0.75:
        return Voice("flite", random.choice(FLITE))
    return Voice("festival", random.choice(FESTIVAL))
