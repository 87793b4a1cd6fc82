"""Erlang's formulas against published values and against each other."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from allocator.scaling.chances import (
    accepted_queue,
    erlang_b,
    erlang_c,
    margin,
    poisson_tail,
    servers_for,
    servers_for_demand,
)

chances = st.floats(0.001, 0.9)


@pytest.mark.parametrize(("load", "servers"), [(5, 11), (20, 30), (50, 64), (100, 117), (200, 221)])
def test_one_call_in_a_hundred_is_lost_with_the_servers_of_the_tables(
    load: float, servers: int
) -> None:
    assert erlang_b(servers, load) <= 0.01 < erlang_b(servers - 1, load)


@pytest.mark.parametrize(("load", "servers"), [(5, 12), (20, 32), (50, 68), (100, 125), (200, 235)])
def test_one_call_in_a_hundred_waits_with_the_servers_of_the_tables(
    load: float, servers: int
) -> None:
    assert servers_for(load, 0.01) == servers


@pytest.mark.parametrize(
    ("servers", "load", "expected"),
    [(1, 0.5, 0.5), (2, 1.0, 1 / 3), (10, 8.0, 0.40918), (10, 5.0, 0.03611)],
)
def test_the_chance_of_waiting_is_that_of_the_textbook(
    servers: int, load: float, expected: float
) -> None:
    assert erlang_c(servers, load) == pytest.approx(expected, abs=5e-6)


def test_too_few_servers_make_everybody_wait_and_no_load_nobody() -> None:
    assert erlang_c(5, 5.0) == 1.0
    assert erlang_c(0, 0.0) == 1.0
    assert erlang_c(1, 0.0) == 0.0


def test_a_hundred_thousand_servers_agree_with_the_limit_of_halfin_and_whitt() -> None:
    load = 100_000.0
    servers = round(load + margin(0.2) * math.sqrt(load))
    assert erlang_c(servers, load) == pytest.approx(0.2, abs=0.003)


@settings(max_examples=60, deadline=None)
@given(st.floats(0.01, 3000.0), chances)
def test_servers_for_is_the_smallest_number_that_suffices(load: float, chance: float) -> None:
    servers = servers_for(load, chance)
    assert erlang_c(servers, load) <= chance < erlang_c(servers - 1, load)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 100_000), st.floats(0.0, 200_000.0))
def test_chances_are_chances_at_any_size(servers: int, load: float) -> None:
    assert 0.0 <= erlang_b(servers, load) <= erlang_c(servers, load) <= 1.0


@settings(max_examples=60, deadline=None)
@given(st.floats(0.1, 5000.0), st.floats(0.2, 3.0), st.floats(0.01, 0.45))
def test_demand_that_varies_more_needs_more(mean: float, ratio: float, chance: float) -> None:
    steady = servers_for_demand(mean, ratio * mean, chance)
    assert mean < steady < servers_for_demand(mean, 2 * ratio * mean, chance) + 2.0


@settings(max_examples=60, deadline=None)
@given(st.floats(0.5, 5000.0))
def test_who_accepts_more_waiting_needs_less(load: float) -> None:
    needed = [servers_for_demand(load, load, chance) for chance in (0.01, 0.2, 0.5, 0.8, 0.99)]
    assert needed == sorted(needed, reverse=True)


def test_hardly_a_queue_is_accepted_where_hardly_anybody_may_wait() -> None:
    assert accepted_queue(100.0, 0.01) < 0.1
    assert accepted_queue(100.0, 0.9) > 50.0
    assert accepted_queue(0.0, 0.9) == 0.0


@settings(max_examples=60, deadline=None)
@given(st.floats(0.01, 500.0), st.integers(0, 1500))
def test_the_tail_is_what_the_terms_add_up_to(mean: float, count: int) -> None:
    below = math.fsum(
        math.exp(step * math.log(mean) - mean - math.lgamma(step + 1)) for step in range(count)
    )
    assert poisson_tail(mean, count) == pytest.approx(1.0 - below, abs=1e-9)
