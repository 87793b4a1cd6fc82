"""How right and how late a transcript is."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import jiwer

from asr_cli.client import Done, Event, Final, Partial


def word_error_rate(reference: str, heard: str) -> float:
    """Substitutions, deletions and insertions per word of the reference."""
    return float(jiwer.wer(" ".join(reference.split()), " ".join(heard.split())))


@dataclass(slots=True)
class Latency:
    """How long after a word was spoken it was on the screen; for audio sent in real time.

    The clock starts when the first sample is sent, so audio time and wall time run alike. A word
    counts as there with the first text that has it, and all before it, as the final has them; a
    word's end is where the recogniser puts it. So it contains the model's chunk and look-ahead.
    """

    clock: Callable[[], float] = time.monotonic
    began: float | None = None
    first_word: float | None = None
    words: list[float] = field(default_factory=list)
    finals: list[float] = field(default_factory=list)
    done: tuple[float, float] | None = None
    """Seconds of audio, and seconds that all of it took."""
    _seen: list[tuple[float, list[str]]] = field(default_factory=list)

    def start(self, audio: float) -> None:
        """The first ``audio`` seconds are being sent now; later calls count for nothing."""
        if self.began is None:
            self.began = self.clock() - audio

    def now(self) -> float | None:
        """Seconds since the first sample; None before."""
        return None if self.began is None else self.clock() - self.began

    def see(self, event: Event) -> None:
        """Note when it came."""
        now = self.now()
        if now is None:
            return
        if isinstance(event, Partial) and event.text:
            if self.first_word is None:
                self.first_word = now - event.start
            self._seen.append((now, event.text.split()))
        elif isinstance(event, Final):
            if event.text:
                self._settle(now, event)
            self._seen.clear()
        elif isinstance(event, Done):
            self.done = (event.duration, now)

    def lines(self) -> list[str]:
        """For a person; of audio that was not sent in real time, how fast it went."""
        said = []
        if self.done and self.done[1] < 0.9 * self.done[0]:
            audio, took = self.done
            return [f"{audio:.1f} s of audio in {took:.1f} s: {audio / took:.0f} times real time"]
        if self.first_word is not None:
            said.append(f"first words on the screen {self.first_word:.2f} s after they began")
        if self.words:
            said.append(
                f"a word is there {statistics.median(self.words):.2f} s after it was spoken "
                f"(median; longest {max(self.words):.2f} s)"
            )
        if self.finals:
            said.append(
                f"a sentence is final {statistics.median(self.finals):.2f} s after its last word "
                "(median; with the silence that tells its end)"
            )
        return said

    def _settle(self, now: float, event: Final) -> None:
        self.finals.append(now - event.end)
        texts = [word["text"] for word in event.words]
        for index, word in enumerate(event.words):
            known = texts[: index + 1]
            there = next((at for at, seen in self._seen if seen[: index + 1] == known), now)
            self.words.append(there - word["end"])
