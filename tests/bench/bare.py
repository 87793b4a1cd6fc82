"""NeMo's pipeline and nothing else, on the frames the system gives it: the ceiling.

`python -m tests.bench.bare MODEL STREAMS SECONDS` prints how many seconds of audio one process
recognises in a second.
"""

from __future__ import annotations

import sys
import time

import numpy as np
import torch
from nemo.collections.asr.inference.factory.pipeline_builder import PipelineBuilder
from nemo.collections.asr.inference.streaming.framing.request import Frame
from nemo.collections.asr.inference.streaming.framing.request_options import ASRRequestOptions
from omegaconf import OmegaConf

from asr_tasks.catalogue import Catalogue
from asr_tasks.contracts.audio import SAMPLE_RATE
from asr_tasks.recognizers import old_tarfile
from asr_tasks.recognizers.nemo_config import pipeline_config
from tests.bench.recordings import voices


def rate(model: str, streams: int, seconds: float) -> float:
    """Seconds of audio a second, all streams stepped together, one thread."""
    torch.set_num_threads(1)
    entry = Catalogue.load()[model]
    config = pipeline_config(entry, entry.checkpoint)
    config["streaming"] |= {"num_slots": streams, "batch_size": streams}
    old_tarfile.mend()
    pipeline = PipelineBuilder.build_pipeline(OmegaConf.create(config))
    pipeline.open_session()
    frame = round(pipeline.chunk_size_in_secs * SAMPLE_RATE)
    audio = [torch.from_numpy(v.astype(np.float32) / 32768) for v in voices(streams, seconds)]
    steps = len(audio[0]) // frame
    began = 0.0
    with torch.inference_mode():
        for step in range(steps):
            if step == 1:  # the first step pays for lazy set-up
                began = time.perf_counter()
            pipeline.transcribe_step(
                [
                    Frame(
                        samples=voice[step * frame : (step + 1) * frame],
                        stream_id=stream,
                        is_first=step == 0,
                        is_last=step == steps - 1,
                        length=frame,
                        options=ASRRequestOptions(language_code=None, biasing_cfg=None),
                    )
                    for stream, voice in enumerate(audio)
                ]
            )
    elapsed = time.perf_counter() - began
    pipeline.close_session()
    return float((steps - 1) * frame / SAMPLE_RATE * streams / elapsed)


def main() -> None:
    """Print the rate as the last line."""
    print(f"\n{rate(sys.argv[1], int(sys.argv[2]), float(sys.argv[3])):.1f}")


if __name__ == "__main__":
    main()
