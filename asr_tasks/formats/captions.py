"""SubRip and WebVTT."""

from __future__ import annotations

from typing import Final

from asr_tasks.contracts.transcript import Transcript
from asr_tasks.formats.cues import Cue, cues

_ESCAPES: Final = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


def srt(transcript: Transcript) -> str:
    """SubRip: numbered captions, ``00:00:01,500 --> 00:00:03,000``."""
    found = cues(transcript)
    apart = len({cue.channel for cue in found}) > 1
    return "\n".join(
        f"{number}\n{_time(cue.start, ',')} --> {_time(cue.end, ',')}\n{_speech(cue, apart)}\n"
        for number, cue in enumerate(found, 1)
    )


def vtt(transcript: Transcript) -> str:
    """WebVTT (https://www.w3.org/TR/webvtt1/), with voices where channels were heard apart."""
    found = cues(transcript)
    apart = len({cue.channel for cue in found}) > 1
    parts = ["WEBVTT\n"]
    for cue in found:
        voice = f"<v Channel {(cue.channel or 0) + 1}>" if apart else ""
        text = "\n".join(line.translate(_ESCAPES) for line in cue.lines)
        parts.append(f"{_time(cue.start, '.')} --> {_time(cue.end, '.')}\n{voice}{text}\n")
    return "\n".join(parts)


def _speech(cue: Cue, apart: bool) -> str:
    text = "\n".join(cue.lines)
    return f"[{(cue.channel or 0) + 1}] {text}" if apart else text


def _time(seconds: float, mark: str) -> str:
    milliseconds = round(max(seconds, 0.0) * 1000)
    minutes, rest = divmod(milliseconds, 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{rest // 1000:02}{mark}{rest % 1000:03}"
