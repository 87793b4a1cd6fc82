"""Which policies are compared, and with which settings."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from allocator.scaling.policies import build
from allocator.simulation.engine import Rule
from allocator.simulation.other_rules import FixedBuffer, HorizontalPodAutoscaler, QueueLength
from allocator.simulation.scenario import Scenario

FAMILIES: Final = ("ours", "seed", "hpa", "keda", "agones")
TARGETS: Final = (1, 2, 4, 8, 16)
"""Idle workers that the seed's rule, and Agones', are tried with."""
CHANCES: Final = (1e-5, 3e-4, 0.001, 0.02, 0.07, 0.1, 0.25, 0.5, 0.59, 0.7, 0.76, 0.8)
FLOOR_CHANCE: Final = 0.1
"""With a floor there is one: the floor decides mostly."""
DOWN_SECONDS: Final = 30.0
IDLE_SECONDS: Final = 900.0
REPRESENTATIVE: Final = {"ours": "chance 0.02, floor 0", "seed": "idle 2"}
"""Of which settings the pictures show the day."""


@dataclass(frozen=True, slots=True)
class Variant:
    """One setting of one family; ``make`` gives a fresh rule for a scenario."""

    family: str
    name: str
    make: Callable[[Scenario], Rule]


def variants(families: tuple[str, ...], scenario: Scenario, *, few: bool) -> Iterator[Variant]:
    """All settings of these families that make sense for a scenario; a handful if ``few``."""
    makers = {"ours": _ours, "seed": _seed, "hpa": _hpa, "keda": _keda, "agones": _agones}
    for family in families:
        yield from makers[family](scenario, few)


def _ours(scenario: Scenario, few: bool) -> Iterator[Variant]:
    if few:
        yield from (ours(0.02, 0), ours(0.25, 0), ours(0.001, 2))
        return
    for sleeps in (True, False) if scenario.bounds.minimum == 0 else (True,):
        yield from (ours(chance, 0, sleeps=sleeps) for chance in CHANCES)
        yield from (ours(FLOOR_CHANCE, floor, sleeps=sleeps) for floor in TARGETS)
    yield ours(0.02, 0, hand_over=False)


def ours(
    chance: float,
    floor: int,
    *,
    sleeps: bool = True,
    hand_over: bool = True,
    down_seconds: float = DOWN_SECONDS,
) -> Variant:
    """The predictive policy."""

    def make(scenario: Scenario) -> Rule:
        policy = build(
            "predictive",
            scenario.bounds,
            idle_workers=floor,
            chance=chance,
            idle_seconds=IDLE_SECONDS if sleeps else math.inf,
            down_seconds=down_seconds,
        )
        return Rule(policy, hand_over=hand_over)

    extra = ("" if sleeps else ", awake") + ("" if hand_over else ", no hand-over")
    return Variant("ours", f"chance {chance:g}, floor {floor}{extra}", make)


def _seed(scenario: Scenario, few: bool) -> Iterator[Variant]:
    for target in TARGETS[:2] if few else TARGETS:

        def make(scenario: Scenario, target: int = target) -> Rule:
            policy = build(
                "seed",
                scenario.bounds,
                idle_workers=target,
                chance=0.5,
                idle_seconds=math.inf,
                down_seconds=0.0,
            )
            return Rule(policy, removal="top")

        yield Variant("seed", f"idle {target}", make)


def _hpa(scenario: Scenario, few: bool) -> Iterator[Variant]:
    for target in (0.75,) if few else (0.5, 0.75, 0.9):

        def make(scenario: Scenario, target: float = target) -> Rule:
            return Rule(HorizontalPodAutoscaler(scenario.bounds, target), removal="top")

        yield Variant("hpa", f"target {target:.0%}", make)


def _keda(scenario: Scenario, few: bool) -> Iterator[Variant]:
    for share in (0.75,) if few else (0.5, 0.75, 0.9):

        def make(scenario: Scenario, share: float = share) -> Rule:
            return Rule(QueueLength(scenario.bounds, share * scenario.slots), removal="top")

        yield Variant("keda", f"target {share:.0%} of the slots", make)


def _agones(scenario: Scenario, few: bool) -> Iterator[Variant]:
    for buffer in TARGETS[:1] if few else TARGETS:

        def make(scenario: Scenario, buffer: int = buffer) -> Rule:
            return Rule(FixedBuffer(scenario.bounds, buffer), removal="idle")

        yield Variant("agones", f"buffer {buffer}", make)
