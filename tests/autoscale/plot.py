"""A picture of the run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tests.autoscale.watch import Sample


def draw(samples: Sequence[Sample], file: Path) -> None:
    """Calls and slots above, workers below."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    at = [sample.at for sample in samples]
    figure, (above, below) = pyplot.subplots(2, 1, sharex=True, figsize=(9, 5.5))
    above.step(at, [s.slots for s in samples], where="post", color="#2a9d8f", label="slots ready")
    above.step(at, [s.calls for s in samples], where="post", color="#264653", label="calls")
    above.fill_between(
        at, [s.waiting for s in samples], step="post", color="#e76f51", label="calls that wait"
    )
    above.set_ylabel("slots")
    above.legend(loc="upper left", frameon=False)
    below.stackplot(
        at,
        [s.ready for s in samples],
        [s.starting for s in samples],
        [s.draining for s in samples],
        labels=["ready", "starting", "draining"],
        colors=["#2a9d8f", "#e9c46a", "#8d99ae"],
        step="post",
    )
    below.set_ylabel("workers")
    below.set_xlabel("seconds")
    below.legend(loc="upper left", frameon=False)
    for axes in (above, below):
        axes.spines[["top", "right"]].set_visible(False)
        axes.yaxis.get_major_locator().set_params(integer=True)
    figure.tight_layout()
    figure.savefig(file)
    pyplot.close(figure)
