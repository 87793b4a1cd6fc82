"""Which rule is better: no worse in anything that matters (Pareto)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from allocator.simulation.measures import Result


def no_worse(one: Result, other: Result) -> bool:
    """Fewer or equal waits, 99th percentile, slot-hours and interruptions."""
    return (
        one.waited <= other.waited
        and one.p99 <= other.p99
        and one.slot_hours <= other.slot_hours
        and one.interruptions <= other.interruptions
    )


@dataclass(frozen=True, slots=True)
class Verdict:
    """One setting of another rule, and our settings that are no worse than it in anything."""

    other: Result
    ours: tuple[Result, ...]

    @property
    def best(self) -> Result | None:
        """Of those, the one with the fewest waits; the cheapest of them."""
        return min(self.ours, key=lambda each: (each.waited, each.slot_hours), default=None)


def verdicts(results: Iterable[Result]) -> Sequence[Verdict]:
    """One for each setting of each other rule, scenario by scenario."""
    known = list(results)
    return [
        Verdict(
            other,
            tuple(
                each
                for each in known
                if each.rule == "ours" and each.scenario == other.scenario and no_worse(each, other)
            ),
        )
        for other in known
        if other.rule != "ours"
    ]


def frontier(results: Iterable[Result]) -> list[Result]:
    """Those that nothing else beats in both waits and slot-hours, cheapest first."""
    best: list[Result] = []
    for each in sorted(results, key=lambda each: (each.slot_hours, each.waited)):
        if not best or each.waited < best[-1].waited:
            best.append(each)
    return best
