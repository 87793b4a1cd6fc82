"""NeMo's streaming inference pipelines as a backend. Importing this imports torch and NeMo.

Cache-aware CTC and RNNT pipelines for streaming models, buffered ones for offline models.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import nemo
import torch
from nemo.collections.asr.inference.factory.pipeline_builder import PipelineBuilder
from nemo.collections.asr.inference.streaming.framing.request import Frame as NemoFrame
from nemo.collections.asr.inference.streaming.framing.request_options import ASRRequestOptions
from nemo.collections.asr.parts.context_biasing.biasing_multi_model import BiasingRequestItemConfig
from nemo.collections.asr.parts.context_biasing.boosting_graph_batched import (
    BoostingTreeModelConfig,
)
from omegaconf import OmegaConf

from asr_tasks import log
from asr_tasks.catalogue import Entry
from asr_tasks.contracts.audio import SAMPLE_RATE
from asr_tasks.contracts.results import Word
from asr_tasks.recognizers import old_tarfile
from asr_tasks.recognizers.backend import Frame, Options, Output
from asr_tasks.recognizers.nemo_config import pipeline_config
from asr_tasks.recognizers.nemo_slots import SlotCopy, Slots

_log = log.get(__name__)

TAIL_SECONDS: Final = 0.32
"""Silence appended at the end: a token may come some encoder frames after its sound."""


class NemoBackend:
    """One NeMo pipeline. Only for one thread, after creation.

    Args:
        entry: of the catalogue; its checkpoint must be here or on the hub.

    Raises:
        ModelUnavailable: no checkpoint.
        RuntimeError: NeMo cannot load it.
    """

    def __init__(self, entry: Entry) -> None:
        # more threads spin for each other when cores are busy; processes are the way to scale
        torch.set_num_threads(1)
        checkpoint = entry.checkpoint
        config = pipeline_config(entry, checkpoint)
        old_tarfile.mend()
        self._pipeline = PipelineBuilder.build_pipeline(OmegaConf.create(config))
        self._pipeline.open_session()
        self._entry = entry
        self._fingerprint = _fingerprint(config, checkpoint)
        self._slots = Slots(self._pipeline, self._fingerprint)
        seconds = (
            entry.chunk_seconds if entry.kind == "buffered" else self._pipeline.chunk_size_in_secs
        )
        self._frame = round(seconds * SAMPLE_RATE)
        if entry.frame not in (0, self._frame):
            _log.warning(
                "the gateway cuts audio into other frames than the model's: correct stride_ms",
                model=entry.name,
                catalogue=entry.frame,
                model_frame=self._frame,
            )
        self._stride = float(self._pipeline.model_stride_in_secs)
        self._options: dict[int, ASRRequestOptions] = {}
        self._fresh: set[int] = set()

    @property
    def frame(self) -> int:
        return self._frame

    @property
    def tail(self) -> int:
        return int(TAIL_SECONDS * SAMPLE_RATE)

    def start(self, stream: int, options: Options) -> None:
        chosen = self._request_options(options)
        self._slots.take(stream, chosen)
        self._options[stream] = chosen
        self._fresh.add(stream)

    def resume(self, stream: int, options: Options, saved: bytes) -> None:
        copy = SlotCopy.from_bytes(saved, self._fingerprint)
        chosen = self._request_options(options)
        with torch.inference_mode():
            self._slots.put(stream, chosen, copy)
        self._options[stream] = chosen
        if copy.parts["buffer"] is None:
            self._fresh.add(stream)

    def step(self, frames: Sequence[Frame]) -> list[Output]:
        with torch.inference_mode():
            return self._step_or_undo(frames)

    def save(self, stream: int) -> SlotCopy:
        with torch.inference_mode():
            return self._slots.copy(stream)

    def release(self, stream: int) -> None:
        with torch.inference_mode():
            self._slots.free(stream)
        self._options.pop(stream, None)
        self._fresh.discard(stream)

    def close(self) -> None:
        self._pipeline.close_session()

    def _step_or_undo(self, frames: Sequence[Frame]) -> list[Output]:
        before = {frame.stream: self._slots.copy(frame.stream) for frame in frames}
        fresh = self._fresh & set(before)
        try:
            return self._step(frames)
        except Exception:
            # a step may fail half way, with some streams stepped: put all of them back
            for stream, copy in before.items():
                self._slots.free(stream)
                self._slots.put(stream, self._options[stream], copy)
            self._fresh |= fresh
            raise

    def _step(self, frames: Sequence[Frame]) -> list[Output]:
        # NeMo forgets the state of a last frame's stream within the step
        states = [self._pipeline.get_state(frame.stream) for frame in frames]
        answers = self._pipeline.transcribe_step([self._request(frame) for frame in frames])
        outputs = []
        for state, frame, answer in zip(states, frames, answers, strict=True):
            text, segments = answer.final_transcript.strip(), answer.final_segments or []
            if not frame.last and not text and self._overdue(state):
                text, segments = self._force(state)
            outputs.append(self._output(state, text, segments))
            self._fresh.discard(frame.stream)
        return outputs

    def _request(self, frame: Frame) -> NemoFrame:
        return NemoFrame(
            samples=torch.from_numpy(frame.audio.copy()),
            stream_id=frame.stream,
            is_first=frame.stream in self._fresh,
            is_last=frame.last,
            length=len(frame.audio),
            options=self._options[frame.stream],
        )

    def _output(self, state: Any, text: str, segments: Sequence[Any]) -> Output:
        words = tuple(
            Word(s.text.strip(), s.start, s.end, round(min(max(s.conf, 0.0), 1.0), 4))
            for s in segments
        )
        steps = state.timesteps
        return Output(
            final=text,
            words=words,
            partial=self._open_text(state),
            start=float(steps[0]) * self._stride if steps else 0.0,
            end=float(steps[-1] + 1) * self._stride if steps else 0.0,
        )

    def _open_text(self, state: Any) -> str:
        tokens = list(state.tokens) + list(state.incomplete_segment_tokens)
        return str(self._pipeline.tokenizer.ids_to_text(tokens)).strip() if tokens else ""

    def _overdue(self, state: Any) -> bool:
        steps = state.timesteps
        return bool(steps) and (steps[-1] - steps[0]) * self._stride >= self._entry.max_utterance

    def _force(self, state: Any) -> tuple[str, list[Any]]:
        """Make all but the last word of the open utterance final, as NeMo does at its end.

        The last word may be half said, so it begins the next utterance. Caches and decoder go
        on undisturbed: the tokens that follow are the same as without this.
        """
        pipeline = self._pipeline
        starts = pipeline.bpe_decoder.start_of_word_cache
        cut = max((i for i, token in enumerate(state.tokens) if starts[token]), default=0)
        cut = cut or len(state.tokens)  # languages without word marks: at the token
        kept = state.tokens[cut:], state.timesteps[cut:], state.confidences[cut:]
        del state.tokens[cut:], state.timesteps[cut:], state.confidences[cut:]
        pipeline.bpe_decoder.decode_bpe_tokens(state)
        pipeline.text_processor.process([state])
        text, segments = state.final_transcript.strip(), [s.copy() for s in state.final_segments]
        state.cleanup_after_eou()
        state.cleanup_after_response()
        state.tokens, state.timesteps, state.confidences = kept
        return text, segments

    def _request_options(self, options: Options) -> ASRRequestOptions:
        hotwords = [*self._entry.hotwords, *options.hotwords]
        biasing = None
        if hotwords and self._entry.decoding == "rnnt":
            biasing = BiasingRequestItemConfig(
                boosting_model_cfg=BoostingTreeModelConfig(
                    key_phrases_list=hotwords, use_triton=False
                ),
                boosting_model_alpha=self._entry.hotword_boost,
            )
        elif hotwords:
            _log.info("hotwords ignored: this model's decoder has none", model=self._entry.name)
        return ASRRequestOptions(language_code=options.language, biasing_cfg=biasing)


def _fingerprint(config: dict[str, Any], checkpoint: str) -> str:
    """Of everything a snapshot depends on: the model's content, not where it lies."""
    digest = hashlib.sha256()
    if Path(checkpoint).is_file():
        with Path(checkpoint).open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    else:
        digest.update(checkpoint.encode())
    parts = {key: config[key] for key in ("pipeline_type", "asr_decoding_type", "endpointing")}
    streaming = {
        k: v for k, v in config["streaming"].items() if "slots" not in k and "batch" not in k
    }
    digest.update(repr((nemo.__version__, parts, streaming)).encode())
    return digest.hexdigest()[:32]
