"""NeMo's models over whole pieces. Importing this imports torch and NeMo.

The same forward pass and decoding as the model's own ``transcribe()``, without its data loader:
that writes the audio into files and reads it again.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import torch
from nemo.collections.asr.models import ASRModel
from numpy.typing import NDArray
from omegaconf import open_dict

from asr_tasks.catalogue import Entry
from asr_tasks.contracts.results import Word
from asr_tasks.recognizers import old_tarfile
from asr_tasks.recognizers.offline import batches

_CONFIDENCE: Final = {
    "preserve_frame_confidence": True,
    "preserve_token_confidence": True,
    "preserve_word_confidence": True,
    "exclude_blank": True,
    "aggregation": "mean",
    "method_cfg": {
        "name": "entropy", "entropy_type": "tsallis", "alpha": 0.5, "entropy_norm": "exp",
    },
}  # fmt: skip


_WORD_MARK: Final = "▁"
"""SentencePiece's, before a token that begins a word."""


class NemoOffline:
    """One NeMo model, CTC, RNNT or both, for one thread.

    Args:
        entry: of the catalogue.
        threads: of the processor that one step may use; more than one spin for each other when
            cores are busy, and processes scale better.

    Raises:
        ModelUnavailable: no checkpoint.
        RuntimeError: NeMo cannot load it.
    """

    def __init__(self, entry: Entry, threads: int = 1) -> None:
        torch.set_num_threads(threads)
        old_tarfile.mend()
        device = torch.device(entry.device)
        self._model: Any = _restore(entry.checkpoint, device)
        self._device = device
        self._ctc = _choose_decoding(self._model, entry.decoding)
        if entry.offline_context and hasattr(self._model.encoder, "set_default_att_context_size"):
            self._model.encoder.set_default_att_context_size(list(entry.offline_context))
        self._blank = self._model.tokenizer.vocab_size
        self._frame_seconds = entry.stride_ms / 1000
        featurizer = self._model.preprocessor.featurizer
        featurizer.dither = 0.0  # noise would make every run another
        featurizer.pad_to = 0

    def recognise(self, pieces: Sequence[NDArray[np.float32]]) -> list[tuple[Word, ...]]:
        found: dict[int, tuple[Word, ...]] = {}
        for batch in batches([len(piece) for piece in pieces]):
            hypotheses = self._step([pieces[index] for index in batch])
            for index, hypothesis in zip(batch, hypotheses, strict=True):
                found[index] = self._words(hypothesis)
        return [found[index] for index in range(len(pieces))]

    def _step(self, pieces: Sequence[NDArray[np.float32]]) -> list[Any]:
        lengths = torch.tensor([len(piece) for piece in pieces], device=self._device)
        signal = torch.zeros(len(pieces), int(lengths.max()), device=self._device)
        for row, piece in zip(signal, pieces, strict=True):
            row[: len(piece)] = torch.from_numpy(np.ascontiguousarray(piece))
        with torch.inference_mode():
            out = self._model.forward(input_signal=signal, input_signal_length=lengths)
            if not self._ctc:
                found = self._model.decoding.rnnt_decoder_predictions_tensor(
                    encoder_output=out[0], encoded_lengths=out[1], return_hypotheses=True
                )
            elif hasattr(self._model, "ctc_decoder"):
                log_probs = self._model.ctc_decoder(encoder_output=out[0])
                found = self._model.ctc_decoding.ctc_decoder_predictions_tensor(
                    log_probs, out[1], return_hypotheses=True
                )
            else:
                found = self._model.decoding.ctc_decoder_predictions_tensor(
                    out[0], out[1], return_hypotheses=True
                )
        return list(found)

    def _words(self, hypothesis: Any) -> tuple[Word, ...]:
        stamps = hypothesis.timestamp["word"]
        if self._ctc:
            stamps = self._emitted(hypothesis, stamps)
        confidences = hypothesis.word_confidence or [1.0] * len(stamps)
        return tuple(
            Word(
                stamp["word"].strip(),
                round(float(stamp["start_offset"]) * self._frame_seconds, 3),
                round(float(stamp["end_offset"]) * self._frame_seconds, 3),
                round(min(max(float(confidence), 0.0), 1.0), 4),
            )
            for stamp, confidence in zip(stamps, confidences, strict=False)
            if stamp["word"].strip()
        )

    def _emitted(self, hypothesis: Any, stamps: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """The words with the frames in which their tokens were emitted.

        NeMo lets a word begin where the one before it ended, and so swallows the pauses between
        sentences.
        """
        spans: list[list[int]] = []
        previous = blank = self._blank
        tokenizer = self._model.tokenizer
        for frame, token in enumerate(int(one) for one in hypothesis.y_sequence):
            if token not in (blank, previous):
                begins = tokenizer.ids_to_tokens([token])[0].startswith(_WORD_MARK)
                if begins or not spans:
                    spans.append([frame, frame + 1])
            if token != blank:
                spans[-1][1] = frame + 1
            previous = token
        if len(spans) != len(stamps):  # without marks of words NeMo's are all we have
            return stamps
        return [
            stamp | {"start_offset": first, "end_offset": last}
            for stamp, (first, last) in zip(stamps, spans, strict=True)
        ]


def _restore(checkpoint: str, device: torch.device) -> Any:
    if checkpoint.endswith(".nemo"):
        model = ASRModel.restore_from(checkpoint, map_location=device)
    else:
        model = ASRModel.from_pretrained(checkpoint, map_location=device)
    model.eval()
    return model


def _choose_decoding(model: Any, decoding: str) -> bool:
    """Have it give words with times and confidence; returns whether CTC decodes."""
    hybrid = hasattr(model, "ctc_decoder")
    ctc = decoding == "ctc" or not (hybrid or hasattr(model, "joint"))
    config = copy.deepcopy(model.cfg.aux_ctc.decoding if hybrid and ctc else model.cfg.decoding)
    with open_dict(config):
        config.compute_timestamps = True
        config.confidence_cfg = _CONFIDENCE
    if hybrid:
        model.change_decoding_strategy(config, decoder_type=decoding, verbose=False)
    else:
        model.change_decoding_strategy(config, verbose=False)
    return ctc
