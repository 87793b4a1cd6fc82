"""Text for people, JSON for programs."""

from __future__ import annotations

from asr_tasks.contracts.transcript import Transcript, Utterance


def text(transcript: Transcript) -> str:
    """An utterance a line; with its channel where the channels were heard apart."""
    apart = len({one.channel for one in transcript.utterances}) > 1
    return "".join(f"{_speaker(one) if apart else ''}{one.text}\n" for one in transcript.utterances)


def json(transcript: Transcript) -> str:
    """One object: model, language, duration and utterances with words, times, confidence."""
    return transcript.to_json() + "\n"


def _speaker(utterance: Utterance) -> str:
    return f"[{(utterance.channel or 0) + 1}] "
