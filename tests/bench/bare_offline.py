"""NeMo's own ``transcribe()`` and nothing else, on the files the system gets: what it is held to.

`python -m tests.bench.bare_offline MODEL BATCH FILE …` prints how many seconds of audio it
recognises in a second, with words, times and confidence, as the system does.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path

from asr_tasks.catalogue import Catalogue
from asr_tasks.recognizers import old_tarfile
from tests.bench.archive import duration


def rate(model: str, batch: int, paths: Sequence[Path]) -> float:
    """Seconds of audio a second, files read included, the model's loading not."""
    old_tarfile.mend()
    from nemo.collections.asr.models import ASRModel
    from omegaconf import open_dict

    loaded = ASRModel.restore_from(Catalogue.load()[model].checkpoint, map_location="cpu")
    loaded.eval()
    with open_dict(loaded.cfg):
        # transcribe() reads these, though it validates nothing.
        loaded.cfg.validation_ds = {"use_start_end_token": False}
    audio = [str(path) for path in paths]
    # The first call pays for what is set up lazily.
    loaded.transcribe(audio[:1], batch_size=1, timestamps=True, verbose=False)
    began = time.perf_counter()
    loaded.transcribe(audio, batch_size=batch, timestamps=True, verbose=False)
    return sum(map(duration, paths)) / (time.perf_counter() - began)


def main() -> None:
    """Print the rate as the last line."""
    model, batch, *paths = sys.argv[1:]
    print(f"\n{rate(model, int(batch), [Path(path) for path in paths]):.1f}")


if __name__ == "__main__":
    main()
