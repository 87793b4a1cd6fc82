"""What a checkpoint hears in some utterances: as live calls, or with all audio at once."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asr_tasks.recognizers.base import Engine
from models.english.training.testsets import Spoken

RATE = 16_000
STREAMS = 16
CHUNK = RATE // 10
TAIL = RATE // 2
"""Silence after each utterance, so that the last word is not cut."""


def streamed(engine: Engine, spoken: Sequence[Spoken]) -> list[str]:
    """Through the engine that serves calls: in chunks of 0.1 s, several calls at once."""
    slots = threading.Semaphore(min(STREAMS, engine.slots))

    def one(utterance: Spoken) -> str:
        with slots, engine.open() as recogniser:
            audio = _with_tail(utterance)
            results = []
            for at in range(0, len(audio), CHUNK):
                results += recogniser.accept(audio[at : at + CHUNK])
            results += recogniser.finish()
            return " ".join(result.text for result in results if result.final)

    with ThreadPoolExecutor(STREAMS) as pool:
        return list(pool.map(one, spoken))


def offline(model: Any, spoken: Sequence[Spoken], batch: int = 8) -> list[str]:
    """All audio at once through the network, the best token of each frame."""
    import torch

    texts: dict[int, str] = {}
    order = sorted(range(len(spoken)), key=lambda i: len(spoken[i].audio))
    blank = model.decoder.num_classes_with_blank - 1
    for at in range(0, len(order), batch):
        indices = order[at : at + batch]
        pieces = [torch.from_numpy(_with_tail(spoken[i])) for i in indices]
        with torch.inference_mode():
            features, frames = model.preprocessor(
                input_signal=torch.nn.utils.rnn.pad_sequence(pieces, batch_first=True),
                length=torch.tensor([len(piece) for piece in pieces]),
            )
            encoded, lengths = model.encoder(audio_signal=features, length=frames)
            best = model.decoder(encoder_output=encoded).argmax(-1)
        for i, tokens, length in zip(indices, best.tolist(), lengths.tolist(), strict=True):
            texts[i] = model.tokenizer.ids_to_text(collapsed(tokens[:length], blank))
    return [texts[i] for i in range(len(spoken))]


def collapsed(tokens: Sequence[int], blank: int) -> list[int]:
    """CTC's rule: repetitions are one token, then blanks are none."""
    return [token for token, _ in groupby(tokens) if token != blank]


def _with_tail(utterance: Spoken) -> NDArray[np.float32]:
    return np.concatenate([utterance.audio, np.zeros(TAIL, np.float32)])
