"""Where transcripts go, and whether they are there already."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Final

from asr_cli.transcribe.recordings import Recording
from asr_tasks.contracts.errors import BadParameter, BadSource
from asr_tasks.contracts.jobs import Format
from asr_tasks.contracts.transcript import Transcript
from asr_tasks.formats import extension, render
from asr_tasks.media import targets, uri
from asr_tasks.media.sources import failures

STDOUT: Final = "-"


@dataclass(frozen=True, slots=True)
class Outputs:
    """Of one recording: a path or ``s3:`` address a format."""

    places: Mapping[Format, str]

    def newer_than(self, recording: Recording) -> bool:
        """Whether all of them are there, and none is older than the recording.

        What lies elsewhere is not looked at: it counts as missing.
        """
        if not self.places or any("://" in place for place in self.places.values()):
            return False
        written = [Path(place) for place in self.places.values()]
        if not all(one.is_file() for one in written):
            return False
        if not recording.local:
            return True
        age = Path(recording.source).stat().st_mtime_ns
        return all(one.stat().st_mtime_ns >= age for one in written)

    def write(self, transcript: Transcript) -> None:
        """Write them, each whole or not at all.

        Raises:
            BadSource: a folder must not be written to.
            SourceUnavailable: it cannot be reached just now.
        """
        for format, place in self.places.items():
            if "://" not in place:
                folder = Path(place).parent
                with failures(place):
                    try:
                        folder.mkdir(parents=True, exist_ok=True)
                    except FileExistsError:
                        raise BadSource(f"{folder} is a file, not a folder") from None
            targets.write(place, render(transcript, format))


def planned(recordings: Sequence[Recording], formats: Sequence[Format], out: str) -> list[Outputs]:
    """The outputs of each recording.

    Two that would be called the same keep their own ending (``call.wav.txt``, ``call.mp3.txt``).

    Args:
        recordings: in order.
        formats: at least one.
        out: folder or ``s3:`` address; empty: beside each recording; ``-``: none, they are printed.

    Raises:
        BadParameter: two recordings would be written to the same file, or ``out`` is no place.
    """
    if out == STDOUT:
        return [Outputs({}) for _ in recordings]
    if out:
        uri.check(out, uri.WRITABLE)
    stems = [_place(one, one.stem, out) for one in recordings]
    twice = {stem for stem, times in Counter(stems).items() if times > 1}
    places = [
        _place(one, one.stem + PurePath(one.source).suffix, out) if stem in twice else stem
        for one, stem in zip(recordings, stems, strict=True)
    ]
    for place, times in Counter(places).items():
        if times > 1:
            raise BadParameter(f"{times} recordings would be written to {place}; name their folder")
    return [
        Outputs({format: f"{place}.{extension(format)}" for format in formats}) for place in places
    ]


def _place(recording: Recording, stem: str, out: str) -> str:
    if not out:
        return str(recording.folder / PurePath(stem).name)
    if "://" in out and not out.startswith("file:"):
        return f"{out.rstrip('/')}/{stem}"
    return str(Path(out.partition("://")[2] if "://" in out else out) / stem)
