"""A catalogue entry as the configuration NeMo's pipeline builder wants."""

from __future__ import annotations

from typing import Any, Final

from asr_tasks.catalogue import Entry
from asr_tasks.contracts.audio import SAMPLE_RATE

RESIDUE_TOKENS: Final = 2
WORD_GAP: Final = 4
"""Encoder frames between two words up to which they are said to touch."""

_CONFIDENCE: Final = {"name": "entropy", "entropy_type": "tsallis", "alpha": 0.5}


def pipeline_config(entry: Entry, checkpoint: str) -> dict[str, Any]:
    """The whole configuration: everything NeMo 3.0 reads, also what is switched off."""
    return {
        "pipeline_type": entry.kind,
        "asr_decoding_type": entry.decoding,
        "enable_itn": False,
        "enable_nmt": False,
        "log_level": 40,
        # anything lower lets a CPU with bf16 units round products, differently per batch size
        "matmul_precision": "highest",
        "lang": entry.language,
        "asr_output_granularity": "word",
        "return_tail_result": True,
        "calculate_wer": False,
        "calculate_bleu": False,
        "cache_dir": None,
        "asr": {
            "model_name": checkpoint,
            "device": entry.device,
            "device_id": 0,
            "compute_dtype": "float32",
            "use_amp": False,
            "decoding": _rnnt_decoding(),
        },
        "itn": {
            "input_case": "lower_cased",
            "whitelist": None,
            "overwrite_cache": False,
            "max_number_of_permutations_per_split": 729,
            "left_padding_size": 4,
            "batch_size": 32,
            "n_jobs": 1,
        },
        "confidence": {
            "exclude_blank": True,
            "aggregation": "mean",
            "method_cfg": {**_CONFIDENCE, "entropy_norm": "exp"},
        },
        "endpointing": {
            "stop_history_eou": entry.end_of_utterance_ms,
            "residue_tokens_at_end": RESIDUE_TOKENS,
        },
        "streaming": _streaming(entry),
    }


def _streaming(entry: Entry) -> dict[str, Any]:
    common = {
        "sample_rate": SAMPLE_RATE,
        "batch_size": entry.slots,
        "word_boundary_tolerance": WORD_GAP,
        "request_type": "frame",
        "post_batched_streams": False,
    }
    if entry.kind == "buffered":
        return common | {
            "chunk_size": entry.chunk_seconds,
            "left_padding_size": entry.left_seconds,
            "right_padding_size": entry.right_seconds,
            "padding_mode": "right" if entry.decoding == "ctc" else "left",
            "stateful": entry.decoding == "rnnt",
        }
    return common | {
        "num_slots": entry.slots,
        "att_context_size": list(entry.att_context) or None,
        "use_cache": True,
        "use_feat_cache": True,
        "chunk_size_in_secs": None,
    }


def _rnnt_decoding() -> dict[str, Any]:
    """Read for rnnt only."""
    return {
        "strategy": "greedy_batch",
        "preserve_alignments": False,
        "fused_batch_size": -1,
        "greedy": {
            "max_symbols_per_step": 10,
            "preserve_frame_confidence": True,
            "loop_labels": True,
            "use_cuda_graph_decoder": False,
            "enable_per_stream_biasing": True,
        },
    }
