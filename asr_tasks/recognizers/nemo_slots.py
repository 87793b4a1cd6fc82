"""A stream's slot in a NeMo pipeline: take it, copy it out, put it back, free it.

NeMo 3.0 has no interface for this. A stream lives in three places, and resuming is exact only
with all three: the context manager's slot (encoder caches; cache-aware pipelines), the
StreamingState (tokens since the last end of utterance) and the bufferer's slot (the audio and
features that the next frame looks back on). Everything that touches NeMo's insides is here.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, is_dataclass
from typing import Any, Final

import torch
from nemo.collections.asr.parts.submodules.transducer_decoding.label_looping_base import (
    LabelLoopingStateItem,
)
from nemo.collections.asr.parts.utils.rnnt_utils import Hypothesis

from asr_tasks.recognizers.base import BadSnapshot
from asr_tasks.recognizers.packing import pack, unpack

CLASSES: Final[dict[str, type[Any]]] = {
    "hypothesis": Hypothesis,
    "label_looping": LabelLoopingStateItem,
}
"""What an RNNT decoder keeps between frames; a CTC state is plain values."""


_PLAIN: Final = frozenset((int, float, str, bool, type(None)))


@dataclass(frozen=True, slots=True)
class SlotCopy:
    """A stream's state at a frame boundary; plain values and arrays of its own."""

    fingerprint: str
    parts: dict[str, Any]

    def to_bytes(self) -> bytes:
        """Version, fingerprint, values, arrays."""
        return pack(self.parts, self.fingerprint, CLASSES)

    @classmethod
    def from_bytes(cls, data: bytes, fingerprint: str) -> SlotCopy:
        """Inverse of :meth:`to_bytes`.

        Raises:
            BadSnapshot: damaged or foreign.
        """
        parts = unpack(data, fingerprint, CLASSES)
        if not isinstance(parts, dict) or not isinstance(parts.get("state"), dict):
            raise BadSnapshot("damaged: no state")
        return cls(fingerprint, parts)


class Slots:
    """The slots of one pipeline, cache-aware or buffered. Only for the pipeline's thread."""

    def __init__(self, pipeline: Any, fingerprint: str) -> None:
        self._pipeline = pipeline
        self._bufferer = pipeline.bufferer
        self._context: Any = getattr(pipeline, "context_manager", None)
        self._fingerprint = fingerprint

    def take(self, stream: int, options: Any) -> None:
        """A fresh decoding state; the other two slots are taken by the first frame."""
        self._pipeline.init_state(stream, options)

    def copy(self, stream: int) -> SlotCopy:
        """Everything the stream is, at this frame boundary."""
        state = vars(self._pipeline.get_state(stream))
        parts: dict[str, Any] = {
            "state": {key: _frozen(value) for key, value in state.items() if key != "options"},
            "buffer": self._copy_buffer(stream),
        }
        if self._context is not None:
            parts["context"] = self._copy_context(stream)
        return SlotCopy(self._fingerprint, parts)

    def put(self, stream: int, options: Any, copy: SlotCopy) -> None:
        """Take slots for the stream and fill them.

        Raises:
            BadSnapshot: it does not fit this pipeline; the stream then has no slot.
        """
        self.take(stream, options)
        try:
            state = self._pipeline.get_state(stream)
            names = set(vars(state)) - {"options"}
            if names != set(copy.parts["state"]):
                raise BadSnapshot("the fields of its state are not those of this version")
            for key, value in copy.parts["state"].items():
                setattr(state, key, _thawed(value))
            if copy.parts["buffer"] is not None:
                self._put_buffer(stream, copy.parts["buffer"])
            if copy.parts.get("context") is not None:
                self._put_context(stream, copy.parts["context"])
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            self.free(stream)
            raise BadSnapshot(f"it does not fit: {error!r}") from error
        except BadSnapshot:
            self.free(stream)
            raise

    def free(self, stream: int) -> None:
        """Give back whatever the stream holds; NeMo itself does so only after a last frame."""
        context, bufferer = self._context, self._bufferer
        if context is not None and stream in context.streamidx2slotidx:
            context.reset_slots([stream], [True])
        if hasattr(bufferer, "rm_bufferer"):
            bufferer.rm_bufferer(stream)
        elif stream in bufferer.streamidx2slotidx:
            bufferer.free_slots([bufferer.streamidx2slotidx[stream]])
        self._pipeline.delete_state(stream)

    def _copy_context(self, stream: int) -> dict[str, Any] | None:
        context = self._context
        slot = context.streamidx2slotidx.get(stream)
        if slot is None:
            return None
        used = int(context.cache_last_channel_len[slot])
        channel = context.cache_last_channel[:, slot]
        return {
            "used": used,
            # the cache fills from its end; before that there are zeros
            "channel": _frozen(channel[:, channel.shape[1] - used :]),
            "time": _frozen(context.cache_last_time[:, slot]),
        }

    def _put_context(self, stream: int, saved: dict[str, Any]) -> None:
        context = self._context
        context.get_context([stream])
        slot = context.streamidx2slotidx[stream]
        used = saved["used"]
        channel = context.cache_last_channel[:, slot]
        channel.zero_()
        if used:
            channel[:, channel.shape[1] - used :] = _thawed(saved["channel"])
        context.cache_last_time[:, slot] = _thawed(saved["time"])
        context.cache_last_channel_len[slot] = used

    def _copy_buffer(self, stream: int) -> dict[str, Any] | None:
        bufferer = self._bufferer
        if hasattr(bufferer, "bufferers"):
            audio = bufferer.bufferers.get(stream)
            if audio is None:
                return None
            return {"audio": _frozen(audio.sample_buffer), "left": audio.left_padding}
        slot = bufferer.streamidx2slotidx.get(stream)
        if slot is None:
            return None
        audio = bufferer.audio_bufferers[slot]
        kept = bufferer.feature_buffer_len - bufferer.feature_chunk_len
        features = bufferer.feature_buffer[slot]
        return {
            # the next frame shifts all but this out of both buffers
            "features": _frozen(features[:, features.shape[1] - kept :]),
            "audio": _frozen(audio.sample_buffer[-bufferer.n_chunk_look_back :]),
            "left": audio.left_padding,
        }

    def _put_buffer(self, stream: int, saved: dict[str, Any]) -> None:
        bufferer = self._bufferer
        if hasattr(bufferer, "bufferers"):
            audio = _audio_bufferer(bufferer)
            audio.sample_buffer.copy_(_thawed(saved["audio"]))
            audio.left_padding = saved["left"]
            bufferer.bufferers[stream] = audio
            return
        slot = bufferer.available_slots.get_nowait()
        bufferer.streamidx2slotidx[stream] = slot
        bufferer.slotidx2streamidx[slot] = stream
        bufferer.reset_slots([slot])
        features, samples = _thawed(saved["features"]), _thawed(saved["audio"])
        if features.shape[1]:
            bufferer.feature_buffer[slot, :, -features.shape[1] :] = features
        audio = bufferer.audio_bufferers[slot]
        audio.sample_buffer[-samples.shape[0] :] = samples
        audio.left_padding = saved["left"]


def _audio_bufferer(bufferer: Any) -> Any:
    from nemo.collections.asr.inference.streaming.buffering.audio_bufferer import AudioBufferer

    return AudioBufferer(bufferer.sample_rate, bufferer.buffer_size_in_secs)


def _frozen(value: Any) -> Any:
    """A deep copy with arrays in place of tensors."""
    if isinstance(value, torch.Tensor):
        return value.detach().cpu().numpy().copy()
    return _mapped(value, _frozen)


def _thawed(value: Any) -> Any:
    """A deep copy with tensors in place of arrays."""
    if type(value).__module__ == "numpy":
        return torch.from_numpy(value.copy())
    return _mapped(value, _thawed)


def _mapped(value: Any, function: Any) -> Any:
    if type(value) in (list, tuple):
        if _PLAIN.issuperset(map(type, value)):  # token lists: this runs for each frame
            return type(value)(value)
        return type(value)(function(item) for item in value)
    if isinstance(value, dict):
        return {key: function(item) for key, item in value.items()}
    if is_dataclass(value) and type(value) in CLASSES.values():
        cls: Any = type(value)
        return cls(**{f.name: function(getattr(value, f.name)) for f in fields(value)})
    return value
