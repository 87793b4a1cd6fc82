"""All rules on all scenarios, one run after another or a few at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

from allocator.simulation.calls import Calls, draw
from allocator.simulation.engine import timed
from allocator.simulation.measures import Moment, Result, summary
from allocator.simulation.rules import Variant, variants
from allocator.simulation.scenario import Scenario
from allocator.simulation.scenarios import named

QUICK_SECONDS: Final = 7 * 3600.0
"""A quick run ends after so long."""


@dataclass(frozen=True, slots=True)
class Job:
    """One run: which variant of which family, on what. Small, so that a process can be sent it."""

    scenario: str
    family: str
    variant: str
    seed: int
    quick: bool


@dataclass(frozen=True, slots=True)
class Done:
    """A result, and its looks for the pictures."""

    result: Result
    timeline: tuple[Moment, ...]


def jobs(scenarios: Sequence[str], families: Sequence[str], seed: int, *, quick: bool) -> list[Job]:
    """Every variant of every family on every scenario, in this order."""
    return [
        Job(name, variant.family, variant.name, seed, quick)
        for name in scenarios
        for variant in _variants(name, tuple(families), quick)
    ]


def perform(job: Job) -> Done:
    """Simulate one."""
    scenario = _scenario(job.scenario, job.quick)
    (variant,) = (
        each
        for each in _variants(job.scenario, (job.family,), job.quick)
        if each.name == job.variant
    )
    calls = _calls(job.scenario, job.seed, job.quick)
    measures, seconds = timed(scenario, calls, variant.make(scenario), job.seed)
    result = summary(
        measures, scenario=job.scenario, rule=job.family, variant=job.variant, seconds=seconds
    )
    return Done(result, tuple(measures.timeline))


def perform_all(work: Sequence[Job], processes: int, tell: Callable[[Job], None]) -> Iterator[Done]:
    """Simulate all, in order; ``tell`` is called after each."""
    if processes <= 1:
        for job in work:
            yield perform(job)
            tell(job)
        return
    with ProcessPoolExecutor(processes) as pool:
        for job, done in zip(work, pool.map(perform, work), strict=True):
            yield done
            tell(job)


def _scenario(name: str, quick: bool) -> Scenario:
    scenario = named(name)
    return replace(scenario, seconds=min(scenario.seconds, QUICK_SECONDS)) if quick else scenario


def _variants(name: str, families: tuple[str, ...], quick: bool) -> list[Variant]:
    scenario = _scenario(name, quick)
    return list(variants(families, scenario, few=quick or name == "large"))


@lru_cache(maxsize=1)
def _calls(name: str, seed: int, quick: bool) -> Calls:
    """Every rule meets the same callers."""
    scenario = _scenario(name, quick)
    return draw(scenario.rate, scenario.lengths, scenario.seconds, seed)
