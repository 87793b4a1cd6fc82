"""A verdict that sees no leak is worth nothing: made-up series, with and without one."""

from __future__ import annotations

import random

import pytest

from tests.soak.kept import samples_of
from tests.soak.samples import Samples
from tests.soak.verdict import Verdict, judge

HOUR = 3600.0
CHURN = (0.0, HOUR)


def hour(
    *,
    memory_an_hour: float = 0.0,
    descriptors_an_hour: float = 0.0,
    orphans_an_hour: float = 0.0,
    queues_an_hour: float = 0.0,
    peak_at: float = 0.0,
) -> Samples:
    """A gateway with about eight sessions; it warms up, then grows as told."""
    rng, samples = random.Random(1), Samples()
    for at in range(0, 3600, 5):
        share = at / HOUR
        sessions = rng.choice([6, 7, 8]) + (4 if at > peak_at > 0 else 0)
        pool = 8 + (12 if at > peak_at > 0 else 0)
        samples.process("gateway-0", 7).add(
            at,
            {
                "rss_mib": 100 + min(20, at / 20) + memory_an_hour * share + rng.uniform(-1, 1),
                "threads": 10,
                "fds": 20 + pool + int(descriptors_an_hour * share),
                "connections": 8 + pool,
                "sessions": sessions,
            },
        )
        samples.system.add(at, {"redis_clients": 30, "sessions": sessions})
        if at % 30 == 0:
            samples.census.add(
                at,
                {
                    "redis_lasting_mib": 4.0,
                    "other_keys": 13,
                    "orphan_keys": int(orphans_an_hour * share),
                    "task_queues": sessions + int(queues_an_hour * share),
                    "result_queues": sessions,
                    "other_queues": 6,
                    "channels": 30,
                    "sessions": sessions,
                },
            )
    return samples


def worker(
    peak_at: float, *, memory_an_hour: float = 0.0, descriptors_an_hour: float = 0.0
) -> Samples:
    """One with a session now and then, and once eight of them; it grows as told."""
    rng, samples = random.Random(1), Samples()
    for at in range(0, 3600, 5):
        share, up = at / HOUR, at >= peak_at
        sessions = 8 if 0 <= at - peak_at < 60 else rng.choice([0, 0, 1])
        samples.process("worker-english-2", 7).add(
            at,
            {
                "rss_mib": 840 + 24 * up + memory_an_hour * share + rng.uniform(-1, 1),
                "threads": 20 + 7 * up,
                "fds": 24 + 9 * up + int(descriptors_an_hour * share),
                "connections": 9 + 9 * up,
                "sessions": sessions,
            },
        )
    return samples


def leaks(samples: Samples) -> list[str]:
    return [v.figure for v in judge(samples, CHURN, HOUR / 5, {}) if not v.flat]


def test_warming_up_is_not_growing() -> None:
    verdicts = judge(hour(), CHURN, HOUR / 5, {})
    assert len(verdicts) == 11
    assert [v for v in verdicts if not v.flat] == []


@pytest.mark.parametrize(
    ("growth", "figure"),
    [
        ({"memory_an_hour": 15}, "memory MiB"),
        ({"descriptors_an_hour": 24}, "fds"),
        ({"orphans_an_hour": 2}, "keys of no session"),
        ({"queues_an_hour": 48}, "queues of no live session"),
    ],
)
def test_a_leak_is_seen(growth: dict[str, float], figure: str) -> None:
    assert leaks(hour(**growth)) == [figure]


def test_pools_that_grow_with_a_new_peak_of_sessions_are_explained() -> None:
    assert leaks(hour(peak_at=2400)) == []


@pytest.mark.parametrize("at", [600, 1795, 2900])
def test_a_worker_may_step_up_once_with_its_first_peak_of_sessions(at: float) -> None:
    assert leaks(worker(at)) == []


@pytest.mark.parametrize("at", [600, 1795, 2900])
@pytest.mark.parametrize(
    ("growth", "figure"),
    [({"memory_an_hour": 80}, "memory MiB"), ({"descriptors_an_hour": 60}, "fds")],
)
def test_a_worker_that_leaks_is_seen_before_or_after_it(
    at: float, growth: dict[str, float], figure: str
) -> None:
    assert leaks(worker(at, **growth)) == [figure]


def test_a_short_series_is_not_judged() -> None:
    assert judge(hour(), (0.0, 600.0), HOUR / 5, {}) == []


def test_a_process_that_still_loads_is_not_judged() -> None:
    loaded = {("gateway-0", 7): HOUR * 0.9}
    verdicts = judge(hour(memory_an_hour=500), CHURN, HOUR / 5, loaded)
    assert [v for v in verdicts if v.series.startswith("gateway")] == []


def test_shrinking_is_flat() -> None:
    assert Verdict("redis", "clients", before=50, last=10, allowed=6, per_hour=-80).flat


def test_a_kept_soak_has_what_was_measured() -> None:
    samples = hour()
    assert samples_of({"samples": samples.printable()}) == samples
