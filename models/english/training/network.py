"""The network: a small cache-aware streaming FastConformer with a CTC head.

One set of weights serves every latency: attention contexts of 13, 6, 1 and 0 frames (80 ms
each) to the right are drawn at random in training. See "Stateful Conformer with Cache-based
Inference for Streaming ASR", https://arxiv.org/abs/2312.17279.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path
from random import Random
from typing import Any

from asr_tasks.recognizers import old_tarfile
from models.english.training import grammar

os.environ.setdefault("HF_HUB_OFFLINE", "1")

VOCABULARY = 256
CONTEXTS = [[70, 13], [70, 6], [70, 1], [70, 0]]
LAYERS, WIDTH, HEADS, CHANNELS, MELS = 6, 144, 4, 96, 80
LOG_MEL_MEAN, LOG_MEL_DEVIATION = -9.9, 3.8
"""Measured over the corpus: the streaming pipelines do not normalise features."""


def load(path: Path) -> Any:
    """A checkpoint, on the CPU, ready to be trained or asked."""
    logging.disable(logging.WARNING)
    from nemo.collections.asr.models import ASRModel

    old_tarfile.mend()
    model = ASRModel.restore_from(str(path), map_location="cpu")
    model.preprocessor.featurizer.dither = 0.0
    model.preprocessor.featurizer.pad_to = 0
    return model


def build(folder: Path) -> Any:
    """A network with random weights; its tokenizer is made from the grammar in ``folder``."""
    logging.disable(logging.WARNING)
    import torch
    from nemo.collections.asr.models import EncDecCTCModelBPE
    from omegaconf import OmegaConf

    model = EncDecCTCModelBPE(cfg=OmegaConf.create(_configuration(_tokenizer(folder))))
    first = model.encoder.pre_encode.conv[0]
    with torch.no_grad():
        # The features' mean and deviation, folded into the first layer.
        first.bias.sub_(LOG_MEL_MEAN / LOG_MEL_DEVIATION * first.weight.sum(dim=(1, 2, 3)))
        first.weight.div_(LOG_MEL_DEVIATION)
    model.preprocessor.featurizer.pad_to = 0
    return model


def _tokenizer(folder: Path) -> Path:
    import sentencepiece

    target = folder / "tokenizer"
    target.mkdir(parents=True, exist_ok=True)
    random = Random(7)
    text = target / "sentences.txt"
    text.write_text("\n".join(grammar.training_sentence(random) for _ in range(20_000)))
    sentencepiece.SentencePieceTrainer.train(
        input=str(text),
        model_prefix=str(target / "tokenizer"),
        vocab_size=VOCABULARY,
        model_type="bpe",
        character_coverage=1.0,
        bos_id=-1,
        eos_id=-1,
        split_digits=True,
        minloglevel=2,
        max_sentencepiece_length=8,
    )
    pieces = sentencepiece.SentencePieceProcessor(model_file=str(target / "tokenizer.model"))
    names = (pieces.id_to_piece(i) for i in range(pieces.vocab_size()))
    lines = (p[1:] if p.startswith("▁") else f"##{p}" for p in names if p != "<unk>")
    (target / "vocab.txt").write_text("\n".join(lines) + "\n")
    return target


def _configuration(tokenizer: Path) -> dict[str, Any]:
    modules = "nemo.collections.asr.modules"
    return {
        "sample_rate": 16_000,
        "log_prediction": False,
        "ctc_reduction": "mean_batch",
        "skip_nan_grad": False,
        "tokenizer": {"dir": str(tokenizer), "type": "bpe"},
        "preprocessor": {
            "_target_": f"{modules}.AudioToMelSpectrogramPreprocessor",
            "sample_rate": 16_000,
            "normalize": "NA",
            "window_size": 0.025,
            "window_stride": 0.01,
            "window": "hann",
            "features": MELS,
            "n_fft": 512,
            "log": True,
            "frame_splicing": 1,
            "dither": 1e-5,
            "pad_to": 0,
            "pad_value": 0.0,
        },
        "spec_augment": {
            "_target_": f"{modules}.SpectrogramAugmentation",
            "freq_masks": 1,
            "time_masks": 2,
            "freq_width": 15,
            "time_width": 0.03,
        },
        "encoder": {
            "_target_": f"{modules}.ConformerEncoder",
            "feat_in": MELS,
            "feat_out": -1,
            "n_layers": LAYERS,
            "d_model": WIDTH,
            "use_bias": True,
            "subsampling": "dw_striding",
            "subsampling_factor": 8,
            "subsampling_conv_channels": CHANNELS,
            "causal_downsampling": True,
            "ff_expansion_factor": 4,
            "self_attention_model": "rel_pos",
            "n_heads": HEADS,
            "att_context_size": CONTEXTS,
            "att_context_style": "chunked_limited",
            "att_context_probs": [0.4, 0.2, 0.2, 0.2],
            "xscaling": False,
            "untie_biases": True,
            "pos_emb_max_len": 5000,
            "conv_kernel_size": 9,
            "conv_norm_type": "layer_norm",
            "conv_context_size": "causal",
            "dropout": 0.0,
            "dropout_pre_encoder": 0.0,
            "dropout_emb": 0.0,
            "dropout_att": 0.0,
            "stochastic_depth_drop_prob": 0.0,
        },
        "decoder": {
            "_target_": f"{modules}.ConvASRDecoder",
            "feat_in": None,
            "num_classes": -1,
            "vocabulary": [],
        },
        "decoding": {
            "strategy": "greedy_batch",
            "preserve_alignments": None,
            "compute_timestamps": None,
        },
        "optim": {"name": "adamw", "lr": 1e-3},
    }
