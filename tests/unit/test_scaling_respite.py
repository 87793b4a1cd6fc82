"""An API server that does not answer is asked ever more seldom, and never sooner than it asks."""

from __future__ import annotations

import pytest
from kubernetes.client.exceptions import ApiException

from allocator.scaling.kube import _asked
from allocator.scaling.respite import LONGEST, LONGEST_ASKED, Respite
from allocator.scaling.scaled import WorkloadDown


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_one_failure_costs_no_more_than_a_look() -> None:
    clock = Clock()
    respite = Respite(2.0, clock)
    assert respite.over
    assert respite.failed(WorkloadDown("no answer")) <= 2.0
    assert not respite.over
    clock.now += 2.0
    assert respite.over


def test_waits_grow_to_a_bound_until_it_answers() -> None:
    respite = Respite(2.0, Clock())
    waits = [respite.failed(WorkloadDown("no answer")) for _ in range(20)]
    assert waits[3] > waits[1] > waits[0] / 2
    assert all(LONGEST / 2 <= wait <= LONGEST for wait in waits[4:])
    assert len(set(waits)) == len(waits)  # drawn, so that many do not come back together
    respite.answered()
    assert respite.failed(WorkloadDown("no answer")) <= 2.0


def test_who_asks_for_time_is_given_it_in_reason() -> None:
    clock = Clock()
    respite = Respite(2.0, clock)
    assert respite.failed(WorkloadDown("throttled", retry_after=20)) == 20
    clock.now += 19.9
    assert not respite.over
    clock.now += 0.1
    assert respite.over
    assert respite.failed(WorkloadDown("throttled", retry_after=86400)) == LONGEST_ASKED


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "7"}, 7.0),
        ({"Retry-After": "Fri, 27 Nov 2026 11:00:00 GMT"}, 0.0),
        ({"Retry-After": "-3"}, 0.0),
        ({}, 0.0),
        (None, 0.0),
    ],
)
def test_seconds_are_understood_and_dates_are_not(
    headers: dict[str, str] | None, seconds: float
) -> None:
    error = ApiException(status=429)
    error.headers = headers
    assert _asked(error) == seconds
