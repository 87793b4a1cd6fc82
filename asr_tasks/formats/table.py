"""Comma-separated values, an utterance a row: RFC 4180."""

from __future__ import annotations

import csv as comma
import io

from asr_tasks.contracts.transcript import Transcript

HEAD = ("channel", "start", "end", "text", "confidence")


def csv(transcript: Transcript) -> str:
    """A head and a row each utterance; times in seconds, channels from 1, empty if mixed."""
    out = io.StringIO(newline="")
    writer = comma.writer(out)
    writer.writerow(HEAD)
    for one in transcript.utterances:
        writer.writerow(
            (
                "" if one.channel is None else one.channel + 1,
                f"{one.start:.3f}",
                f"{one.end:.3f}",
                one.text,
                "" if one.confidence is None else f"{one.confidence:.4f}",
            )
        )
    return out.getvalue()
