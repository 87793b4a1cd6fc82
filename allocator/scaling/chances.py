"""How likely it is that somebody waits: Erlang's formulas and Poisson's tail, for any size.

Exact sums of positive terms, so nothing cancels: a hundred thousand servers cost some thousand
additions. Sources: Erlang (1917); Halfin and Whitt, "Heavy-traffic limits for queues with many
exponential servers" (1981); Fredericks, "Congestion in blocking systems" (1980) for Hayward's rule.
"""

from __future__ import annotations

import math
from functools import lru_cache
from statistics import NormalDist
from typing import Final

_NORMAL: Final = NormalDist()
_TINY: Final = 1e-17
"""A term smaller than this part of the sum changes it no more."""
_HUGE: Final = 1e300
_STEADIEST: Final = 1e-3
"""Below this ratio of variance to mean the mean alone counts."""


def erlang_b(servers: int, load: float) -> float:
    """The chance that all servers are busy where who finds no free one goes away.

    Args:
        servers: at least 0.
        load: arrivals a second times seconds of service, in Erlang; at least 0.
    """
    if load <= 0.0:
        return 0.0 if servers else 1.0
    term = total = 1.0
    for left in range(servers, 0, -1):
        term *= left / load
        total += term
        if total > _HUGE:
            return 0.0
        if term < _TINY * total:
            break
    return 1.0 / total


def erlang_c(servers: int, load: float) -> float:
    """The chance that an arrival has to wait for a server; 1 where the queue would only grow."""
    if servers <= load:
        return 0.0 if load <= 0.0 < servers else 1.0
    blocked = erlang_b(servers, load)
    return blocked / (1.0 - load / servers * (1.0 - blocked))


def servers_for(load: float, chance: float) -> int:
    """The fewest servers with which an arrival waits with at most ``chance``, in (0, 1)."""
    if load <= 0.0:
        return 0
    # The limit is at most a few servers away, at any load.
    servers = max(math.ceil(load + margin(chance) * math.sqrt(load)), math.floor(load) + 1)
    while erlang_c(servers, load) > chance:
        servers += 1
    while servers - 1 > load and erlang_c(servers - 1, load) <= chance:
        servers -= 1
    return servers


@lru_cache(maxsize=256)
def margin(chance: float) -> float:
    """Halfin and Whitt's limit: servers above the load, in square roots of the load."""
    low, high = 0.0, 40.0
    for _ in range(60):
        middle = (low + high) / 2
        density = _NORMAL.pdf(middle)
        waits = 1.0 if not middle else 1.0 / (1.0 + middle * _NORMAL.cdf(middle) / density)
        low, high = (middle, high) if waits > chance else (low, middle)
    return high


def accepted_queue(load: float, chance: float) -> float:
    """How many wait on average where an arrival waits with this ``chance``, in (0, 1)."""
    return chance * math.sqrt(load) / margin(chance) if load > 0.0 else 0.0


def servers_for_demand(mean: float, variance: float, chance: float) -> float:
    """Servers for the demand that a forecast expects at its horizon.

    Demand with a variance of z times its mean is served as mean / z Erlang would be, each by z
    servers (Hayward's rule). Erlang's formula never goes below the mean, as the queue would grow
    for ever. A forecast is not for ever: what was too little is seen at the next look. So a chance
    above one half means a quantile of the demand itself.

    Args:
        mean: of the number of servers that would be busy if there were always enough.
        variance: of the same.
        chance: with which an arrival may wait, in (0, 1).

    Returns:
        A number of servers, not rounded.
    """
    if mean <= 0.0:
        return 0.0
    ratio = variance / mean
    if ratio < _STEADIEST:
        return mean
    load = mean / ratio
    above = _margin_at(float(f"{load:.3g}"), min(chance, 0.5))
    if chance > 0.5:
        above += _NORMAL.inv_cdf(1.0 - chance)
    return max(0.0, ratio * (load + above * math.sqrt(load)))


@lru_cache(maxsize=4096)
def _margin_at(load: float, chance: float) -> float:
    """Like :func:`margin`, and exact; it changes so little that the load may be rounded for it."""
    return (servers_for(load, chance) - load) / math.sqrt(load)


def poisson_tail(mean: float, count: int) -> float:
    """The chance of at least ``count`` events where ``mean`` are expected."""
    if count <= 0:
        return 1.0
    if mean <= 0.0:
        return 0.0
    if count <= mean:
        return 1.0 - _below(mean, count)
    term = total = 1.0
    step = count
    while term > _TINY * total:
        step += 1
        term *= mean / step
        total += term
    return min(1.0, total * _exactly(mean, count))


def _exactly(mean: float, count: int) -> float:
    return math.exp(count * math.log(mean) - mean - math.lgamma(count + 1))


def _below(mean: float, count: int) -> float:
    """The chance of fewer than ``count``, for a count up to the mean."""
    term = total = 1.0
    for step in range(count - 1, 0, -1):
        term *= step / mean
        total += term
        if term < _TINY * total:
            break
    return min(1.0, total * _exactly(mean, count - 1))
