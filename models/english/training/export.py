"""Store a checkpoint's weights as fp16: half the size, the same transcripts."""

from __future__ import annotations

import argparse
import io
import tarfile
from pathlib import Path

import torch

WEIGHTS = "model_weights.ckpt"


def shrink(source: Path, target: Path) -> None:
    """Write ``target`` from ``source``; NeMo copies the halves back into fp32 parameters."""
    with tarfile.open(source) as full, tarfile.open(target, "w:gz") as small:
        for member in sorted(full.getmembers(), key=lambda m: m.name):
            file = full.extractfile(member)
            if file is None:
                continue
            data = file.read()
            if member.name.endswith(WEIGHTS):
                data = _halved(data)
            entry = tarfile.TarInfo(f"./{Path(member.name).name}")
            entry.size = len(data)
            small.addfile(entry, io.BytesIO(data))


def _halved(data: bytes) -> bytes:
    weights = torch.load(io.BytesIO(data), map_location="cpu")
    small = {
        # The preprocessor's window and filters are computed, not learnt: they stay exact.
        name: value.half()
        if value.dtype == torch.float32 and not name.startswith("preprocessor")
        else value
        for name, value in weights.items()
    }
    out = io.BytesIO()
    torch.save(small, out)
    return out.getvalue()


def main() -> None:
    """`python -m models.english.training.export SOURCE TARGET`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    options = parser.parse_args()
    shrink(options.source, options.target)


if __name__ == "__main__":
    main()
