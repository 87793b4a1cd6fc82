"""A transcript as OpenAI's API says it."""

from __future__ import annotations

import json
import math
import zlib
from typing import Any

from aiohttp import web

from asr_tasks.contracts.jobs import Format
from asr_tasks.contracts.transcript import Transcript, Utterance
from asr_tasks.formats import media_type, render
from gateway.http.transcription_request import TranscriptionRequest

_PLAIN: dict[str, Format] = {"text": "text", "srt": "srt", "vtt": "vtt"}


def answer(request: TranscriptionRequest, transcript: Transcript) -> web.Response:
    """The response in the format that was asked for."""
    plain = _PLAIN.get(request.response_format)
    if plain is not None:
        return web.Response(
            text=render(transcript, plain),
            content_type=media_type(plain).partition(";")[0],
            charset="utf-8",
        )
    body = {"text": transcript.text, "usage": _usage(transcript)}
    if request.response_format == "verbose_json":
        body = _verbose(request, transcript) | body
    return web.json_response(body)


def event(**fields: Any) -> bytes:
    """A server-sent event."""
    return f"data: {json.dumps(fields, ensure_ascii=False)}\n\n".encode()


def _verbose(request: TranscriptionRequest, transcript: Transcript) -> dict[str, Any]:
    body: dict[str, Any] = {
        "task": "transcribe",
        "language": request.language or transcript.language,
        "duration": round(transcript.duration, 3),
    }
    if "word" in request.granularities:
        body["words"] = [
            {"word": word.text, "start": round(word.start, 3), "end": round(word.end, 3)}
            for utterance in transcript.utterances
            for word in utterance.words
        ]
    if "segment" in request.granularities:
        body["segments"] = [
            _segment(number, utterance, request.temperature)
            for number, utterance in enumerate(transcript.utterances)
        ]
    return body


def _segment(number: int, utterance: Utterance, temperature: float) -> dict[str, Any]:
    """A segment; of what only Whisper has, the value that says "nothing is wrong"."""
    text = utterance.text.encode()
    return {
        "id": number,
        "seek": int(utterance.start * 100),
        "start": round(utterance.start, 3),
        "end": round(utterance.end, 3),
        "text": utterance.text,
        "tokens": [],
        "temperature": temperature,
        "avg_logprob": _mean_log(utterance),
        "compression_ratio": round(len(text) / len(zlib.compress(text)), 4) if text else 1.0,
        "no_speech_prob": 0.0,
    }


def _mean_log(utterance: Utterance) -> float:
    """Mean of the logarithms of the words' confidences."""
    known = [word.confidence for word in utterance.words]
    if not known and utterance.confidence is not None:
        known = [utterance.confidence]
    if not known:
        return 0.0
    return round(sum(math.log(max(one, 1e-6)) for one in known) / len(known), 4)


def _usage(transcript: Transcript) -> dict[str, Any]:
    return {"type": "duration", "seconds": math.ceil(transcript.duration)}
