"""What is done of a recording that is transcribed on this machine, in a file: JSON lines.

A line is written after each step and never changed. A process that dies costs the step it was at;
a line it had not finished is taken away by its successor.
"""

from __future__ import annotations

import fcntl
import json
import os
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Final

from asr_tasks.contracts.errors import Overloaded
from asr_tasks.jobs.records import Stretch, said

KEPT_DAYS: Final = 30
"""A journal that nobody has touched for so long is deleted."""


@dataclass(slots=True)
class Done:
    """What a journal says.

    Attributes:
        stretches: the pieces so far, in order.
        heard: what was said in each that is recognised, as :func:`~asr_tasks.jobs.records.said`
            writes it.
        tries: how often what is named was begun.
        position: samples that are cut.
        cut: nothing is left to cut.
        seconds: of work.
    """

    stretches: list[Stretch] = field(default_factory=list)
    heard: dict[int, str] = field(default_factory=dict)
    tries: dict[str, int] = field(default_factory=dict)
    position: int = 0
    cut: bool = False
    seconds: float = 0.0

    @property
    def complete(self) -> bool:
        """Whether all of the recording is recognised."""
        return self.cut and len(self.heard) == len(self.stretches)

    @property
    def samples(self) -> int:
        """Of the recording that are recognised."""
        return sum(one.end - one.start for one in self.stretches if one.index in self.heard)

    def apply(self, line: Mapping[str, Any]) -> None:
        """Take one line of the journal in."""
        match line:
            case {"cut": pieces, "position": position, "last": last}:
                first = len(self.stretches)
                for place, (start, end, silent) in enumerate(pieces):
                    self.stretches.append(Stretch(first + place, start, end, silent))
                    if silent:
                        self.heard[first + place] = said(())
                self.position, self.cut = position, last
            case {"heard": heard, "seconds": seconds}:
                self.heard |= {int(index): text for index, text in heard.items()}
                self.seconds = seconds
            case {"try": what}:
                self.tries[what] = self.tries.get(what, 0) + 1
            case {"again": _}:
                self.tries.clear()


class Journal:
    """One recording's, open for writing. Threads may share it."""

    def __init__(self, file: IO[bytes], done: Done) -> None:
        self._file = file
        self._lock = threading.Lock()
        self._done = done

    def snapshot(self) -> Done:
        """What is done now."""
        with self._lock:
            now = self._done
            return Done(
                list(now.stretches), dict(now.heard), dict(now.tries), now.position, now.cut,
                now.seconds,
            )  # fmt: skip

    def cut(self, pieces: Sequence[Stretch], position: int, *, last: bool) -> None:
        """More of the recording is cut, up to this sample."""
        rows = [[one.start, one.end, one.silent] for one in pieces]
        self._append({"cut": rows, "position": position, "last": last})

    def hear(self, heard: Mapping[int, str], seconds: float) -> None:
        """These pieces are recognised, after so many seconds of work in all."""
        self._append({"heard": {str(k): v for k, v in heard.items()}, "seconds": round(seconds, 3)})

    def try_(self, what: str) -> int:
        """Note that this is begun; how often it was."""
        self._append({"try": what})
        return self._done.tries[what]

    def again(self) -> None:
        """Whatever was begun and not finished is not to blame for it."""
        self._append({"again": True})

    def _append(self, line: Mapping[str, Any]) -> None:
        with self._lock:
            # In one piece, before it counts: who dies here has at most half a line too many.
            self._file.write(json.dumps(line, ensure_ascii=False).encode() + b"\n")
            self._file.flush()
            self._done.apply(line)


@contextmanager
def opened(path: Path) -> Iterator[Journal]:
    """The journal for as long as the block lasts; nobody else has it meanwhile.

    Raises:
        Overloaded: another process works on this recording.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+b") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Overloaded("Another `asr transcribe` is working on this recording.") from None
        file.seek(0)
        done, whole = _read(file)
        file.truncate(whole)
        yield Journal(file, done)


def read(path: Path) -> Done | None:
    """What a journal says; None if there is none."""
    try:
        with path.open("rb") as file:
            return _read(file)[0]
    except FileNotFoundError:
        return None


def prune(folder: Path) -> None:
    """Delete the journals that nobody has needed for a long time."""
    oldest = time.time() - KEPT_DAYS * 86_400
    for path in folder.glob("*.jsonl"):
        if path.stat().st_mtime < oldest:
            path.unlink(missing_ok=True)


def touch(path: Path) -> None:
    """It was needed just now."""
    os.utime(path)


def _read(file: IO[bytes]) -> tuple[Done, int]:
    """What it says, and how many bytes of it are whole lines."""
    done, whole = Done(), 0
    for line in file:
        if not line.endswith(b"\n"):
            break
        try:
            done.apply(json.loads(line))
        except (ValueError, TypeError, KeyError):
            break  # a damaged disk: what comes after is done again
        whole += len(line)
    return done, whole
