"""How right and how late a transcript is."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass, field

import jiwer

from asr_cli.client import Event, Final, Partial


def word_error_rate(reference: str, heard: str) -> float:
    """Substitutions, deletions and insertions per word of the reference."""
    return float(jiwer.wer(" ".join(reference.split()), " ".join(heard.split())))


@dataclass(slots=True)
class Latency:
    """How long after a word was spoken it was on the screen; for audio sent in real time.

    The clock starts when the first sample is sent, so audio time and wall time run alike. For each
    text that ends in a new word, the delay from the end of that word in the audio until now; it
    contains the model's own chunk and look-ahead.
    """

    began: float = field(default_factory=time.monotonic)
    first_word: float | None = None
    partials: list[float] = field(default_factory=list)
    finals: list[float] = field(default_factory=list)
    _shown: str = ""

    def start(self) -> None:
        """The first sample is being sent now."""
        self.began = time.monotonic()

    def see(self, event: Event) -> None:
        """Note when it came."""
        now = time.monotonic() - self.began
        if isinstance(event, Partial) and event.text and event.text != self._shown:
            self._shown = event.text
            if self.first_word is None:
                self.first_word = now - event.start
            self.partials.append(now - event.end)
        elif isinstance(event, Final) and event.text:
            self._shown = ""
            self.finals.append(now - event.end)

    def lines(self) -> list[str]:
        """For a person."""
        said = []
        if self.first_word is not None:
            said.append(f"first word on the screen {self.first_word:.2f} s after it began")
        if self.partials:
            said.append(
                f"words appear {statistics.median(self.partials):.2f} s after they were spoken "
                "(median)"
            )
        if self.finals:
            said.append(
                f"finals come {statistics.median(self.finals):.2f} s after their last word (median;"
                " the silence that ends an utterance included)"
            )
        return said
