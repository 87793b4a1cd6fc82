"""Streams a core carries: NeMo's bare pipeline against the same frames through the batcher.

::

    python -m tests.bench.engine [--streams 16] [--seconds 20]
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asr_tasks import recognizers
from asr_tasks.catalogue import Catalogue, Entry

Audio = NDArray[np.float32]


def bare(entry: Entry, engine: Any, streams: list[Audio]) -> float:
    """CPU seconds of NeMo's own ``transcribe_step`` over all streams in lock step."""
    import torch
    from nemo.collections.asr.inference.streaming.framing.request import Frame
    from nemo.collections.asr.inference.streaming.framing.request_options import ASRRequestOptions

    pipeline, size = engine._backend._pipeline, engine.frame
    count = len(streams[0]) // size

    def steps() -> None:
        for n in range(count):
            pipeline.transcribe_step(
                [
                    Frame(
                        samples=torch.from_numpy(audio[n * size : (n + 1) * size]),
                        stream_id=10**6 + number,
                        is_first=n == 0,
                        is_last=n == count - 1,
                        length=size,
                        options=ASRRequestOptions() if n == 0 else None,
                    )
                    for number, audio in enumerate(streams)
                ]
            )

    def on_its_thread() -> None:
        with torch.inference_mode():
            steps()

    return timed(lambda: engine._batcher.call(on_its_thread))


def batched(engine: Any, streams: list[Audio]) -> float:
    """CPU seconds of one thread per stream feeding 100 ms chunks as fast as it goes."""

    def run(audio: Audio) -> None:
        with engine.open() as stream:
            for at in range(0, len(audio), 1600):
                stream.accept(audio[at : at + 1600])

    def all_streams() -> None:
        with ThreadPoolExecutor(len(streams)) as pool:
            list(pool.map(run, streams))

    return timed(all_streams)


def timed(work: Callable[[], object]) -> float:
    """CPU seconds of the whole process; other programs on the machine do not count."""
    begun = time.process_time()
    work()
    return time.process_time() - begun


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--streams", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=20.0)
    options = parser.parse_args()
    entry = replace(Catalogue.load().get("english"), slots=options.streams)
    begun = time.monotonic()
    engine = recognizers.load(entry)
    loading = time.monotonic() - begun
    noise = np.random.default_rng(0)
    length = int(options.seconds * 16000)
    streams = [noise.normal(0, 0.05, length).astype(np.float32) for _ in range(options.streams)]
    rows = []
    for count in sorted({1, 4, options.streams}):
        bare(entry, engine, streams[:count])
        audio = count * options.seconds
        direct, through = bare(entry, engine, streams[:count]), batched(engine, streams[:count])
        rows.append(
            {
                "streams": count,
                "bare_streams_per_core": round(audio / direct, 1),
                "engine_streams_per_core": round(audio / through, 1),
                "ratio": round(direct / through, 3),
            }
        )
    engine.close()
    print(json.dumps({"load_seconds": round(loading, 1), "rows": rows}, indent=2))


if __name__ == "__main__":
    main()
