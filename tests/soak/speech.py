"""What the callers say, and what each of it is heard as when nobody else is on the line."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from asr_cli.audio import BYTES_PER_SECOND
from tests.support.calls import call, recordings

Words = list[tuple[str, float, float]]

SHORT_SECONDS: Final = (1.5, 4.0, 7.0)
LONG: Final = 2
"""Pairs of whole recordings: the longest calls, three quarters of a minute."""


@dataclass(frozen=True, slots=True)
class Speech:
    """A recording and its reference."""

    name: str
    pcm: bytes
    words: Words

    @property
    def seconds(self) -> float:
        """How long it takes to say."""
        return len(self.pcm) / BYTES_PER_SECOND


def scripts() -> dict[str, bytes]:
    """Recordings from 1.5 to 48 s, by name."""
    calls = recordings()
    made = {f"recording-{index}": pcm for index, pcm in enumerate(calls)}
    for index, seconds in enumerate(SHORT_SECONDS):
        made[f"short-{index}"] = calls[index][: int(seconds * BYTES_PER_SECOND)]
    for index in range(LONG):
        made[f"long-{index}"] = calls[index] + calls[index + 3]
    return made


async def heard_alone(
    urls: Sequence[str], on_each: Callable[[int, int], None] = lambda _done, _of: None
) -> list[Speech]:
    """Every script with its reference: one call after the other, as fast as it is taken.

    Raises:
        RuntimeError: next to nothing was recognised; comparing would prove nothing.
    """
    wanted = scripts()
    known = []
    for name, pcm in wanted.items():
        made = await call(urls, pcm, speed=0)
        known.append(Speech(name, pcm, made.words))
        on_each(len(known), len(wanted))
    said = sum(len(speech.words) for speech in known)
    if said < sum(speech.seconds for speech in known):
        raise RuntimeError(f"only {said} words were heard in {len(known)} recordings")
    return known
