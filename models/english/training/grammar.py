"""Random sentences of emergency calls and dispatch radio.

A test sentence must never be trained on: sentences are split by a hash of their text, so the
split is the same in every run and needs no list.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from random import Random

from models.english.training.vocabulary import (
    ACTIONS,
    COLOURS,
    CONDITIONS,
    DAYS,
    DIRECTIONS,
    EVENTS,
    FIRST_NAMES,
    HOSPITALS,
    MONTHS,
    ONES,
    ORDINALS,
    PEOPLE,
    PHONETIC,
    PLACES,
    PREPOSITIONS,
    STATUSES,
    STREET_KINDS,
    STREET_NAMES,
    SURNAMES,
    TEENS,
    TENS,
    TIME_UNITS,
    TOWNS,
    UNITS,
    VEHICLES,
)

HELD_OUT_SHARE = 0.03
"""Share of all sentences that is kept for tests and recordings."""

PRESSURES = [f"one {tens}" for tens in ("hundred", "ten", *TENS[:5])] + ["ninety"]


def is_held_out(sentence: str) -> bool:
    """Whether the sentence belongs to the tests."""
    return zlib.crc32(sentence.encode()) % 10_000 < HELD_OUT_SHARE * 10_000


def training_sentence(random: Random) -> str:
    """A sentence that may be trained on."""
    return _until(random, held_out=False)


def test_sentence(random: Random) -> str:
    """A sentence that may not; at least four words, so that its absence from training counts."""
    while True:
        sentence = _until(random, held_out=True)
        if len(sentence.split()) >= 4:
            return sentence


test_sentence.__test__ = False  # type: ignore[attr-defined]  # pytest: this is no test


def sentence(random: Random) -> str:
    """Any sentence of the grammar."""
    (make,) = random.choices([t for t, _ in TEMPLATES], [w for _, w in TEMPLATES])
    return " ".join(make(random).split())


def number(value: int) -> str:
    """0 … 99 in words."""
    if value < 10:
        return ONES[value]
    if value < 20:
        return TEENS[value - 10]
    tens, ones = divmod(value, 10)
    return TENS[tens - 2] + (f" {ONES[ones]}" if ones else "")


def house_number(r: Random) -> str:
    """As people say it: forty two, seven hundred and four, twelve fifty, one two three."""
    kind = r.random()
    if kind < 0.4:
        return number(r.randint(1, 99))
    if kind < 0.65:
        hundreds = f"{ONES[r.randint(1, 9)]} hundred"
        tail = r.random()
        if tail < 0.3:
            return hundreds
        return f"{hundreds} {'and ' if tail < 0.58 else ''}{number(r.randint(1, 99))}"
    if kind < 0.85:
        return f"{number(r.randint(10, 99))} {number(r.randint(10, 99))}"
    return digits(r, 3, 4)


def digits(r: Random, least: int, most: int) -> str:
    """A digit string, digit by digit."""
    return " ".join(r.choice(ONES) for _ in range(r.randint(least, most)))


def clock(r: Random) -> str:
    """A time of day."""
    hour = (ONES + TEENS)[r.randint(1, 12)]
    kind = r.random()
    if kind < 0.25:
        return f"{hour} o'clock"
    if kind < 0.4:
        return f"half past {hour}"
    if kind < 0.55:
        return f"quarter {r.choice(['past', 'to'])} {hour}"
    minute = r.randint(1, 59)
    minutes = f"oh {ONES[minute]}" if minute < 10 else number(minute)
    part = r.choice(["", "in the morning", "in the afternoon", "in the evening", "at night"])
    return f"{hour} {minutes} {part}"


def street(r: Random) -> str:
    """Maple avenue."""
    return f"{r.choice(STREET_NAMES)} {r.choice(STREET_KINDS)}"


def address(r: Random) -> str:
    """A place a crew can drive to."""
    here = f"{house_number(r)} {street(r)}"
    kind = r.random()
    if kind < 0.25:
        return f"{here} in {r.choice(TOWNS)}"
    if kind < 0.4:
        return f"{here} apartment {number(r.randint(1, 99))}"
    if kind < 0.5:
        return f"{here} on the {r.choice(ORDINALS)} floor"
    if kind < 0.6:
        return f"the {r.choice(['corner', 'intersection'])} of {street(r)} and {street(r)}"
    if kind < 0.66:
        road = r.choice(["highway", "route", "exit"])
        return f"{road} {number(r.randint(1, 99))} {r.choice(DIRECTIONS)}"
    return here


def unit(r: Random) -> str:
    """Ladder forty two."""
    return f"{r.choice(UNITS)} {number(r.randint(1, 99))}"


def person(r: Random) -> str:
    """First name and surname."""
    return f"{r.choice(FIRST_NAMES)} {r.choice(SURNAMES)}"


def vehicle(r: Random) -> str:
    """A silver van."""
    return f"a {r.choice(COLOURS)} {r.choice(VEHICLES)}"


def where(r: Random) -> str:
    """Next to the bridge."""
    return f"{r.choice(PREPOSITIONS)} {r.choice(PLACES)}"


def ill(r: Random) -> str:
    """My father has chest pain."""
    return f"{r.choice(PEOPLE)} {r.choice(CONDITIONS)}"


def age(r: Random, least: int = 1) -> str:
    """Thirty one years old."""
    return f"{number(r.randint(least, 99))} years old"


def span(r: Random) -> str:
    """Twelve minutes."""
    return f"{number(r.randint(2, 99))} {r.choice(TIME_UNITS)}"


def plate(r: Random) -> str:
    """Delta kilo four seven one."""
    letters = " ".join(r.choice(PHONETIC) for _ in range(r.randint(2, 3)))
    return f"{letters} {digits(r, 2, 4)}"


Template = Callable[[Random], str]

TEMPLATES: list[tuple[Template, float]] = [
    (lambda r: f"there is {r.choice(EVENTS)} at {address(r)}", 1.6),
    (lambda r: f"i want to report {r.choice(EVENTS)} {where(r)}", 1.0),
    (lambda r: f"{ill(r)} {r.choice(ACTIONS)}", 1.5),
    (lambda r: f"{ill(r)} at {address(r)}", 1.5),
    (lambda r: f"my address is {address(r)}", 1.2),
    (lambda r: f"the address is {address(r)} {where(r)}", 1.2),
    (lambda r: f"my name is {person(r)} and my number is {digits(r, 7, 10)}", 1.0),
    (lambda r: f"my phone number is {digits(r, 6, 10)}", 1.0),
    (lambda r: f"{unit(r)} respond to {r.choice(EVENTS)} at {address(r)}", 1.2),
    (lambda r: f"dispatch this is {unit(r)} we are {r.choice(STATUSES)}", 1.0),
    (lambda r: f"{unit(r)} {r.choice(STATUSES)} at {clock(r)}", 1.0),
    (lambda r: f"{unit(r)} arriving in {span(r)}", 0.8),
    (lambda r: f"the patient is {age(r)} and {r.choice(CONDITIONS)}", 1.0),
    (lambda r: f"{r.choice(['male', 'female'])} patient {age(r)} {r.choice(CONDITIONS)}", 1.0),
    (
        lambda r: (
            f"blood pressure {r.choice(PRESSURES)} over {number(r.randint(50, 99))} "
            f"pulse {number(r.randint(40, 99))}"
        ),
        0.8,
    ),
    (
        lambda r: (
            f"transporting to {r.choice(HOSPITALS)} "
            f"estimated arrival {number(r.randint(2, 99))} minutes"
        ),
        0.8,
    ),
    (
        lambda r: (
            f"the suspect is driving {vehicle(r)} heading {r.choice(DIRECTIONS)} on {street(r)}"
        ),
        1.0,
    ),
    (lambda r: f"the license plate is {plate(r)}", 1.0),
    (lambda r: f"i saw {vehicle(r)} {where(r)} at {clock(r)}", 1.0),
    (
        lambda r: (
            f"it happened on {r.choice(DAYS)} {r.choice(MONTHS)} {r.choice(ORDINALS)} at {clock(r)}"
        ),
        0.8,
    ),
    (lambda r: f"it happened {span(r)} ago {where(r)}", 0.8),
    (
        lambda r: (
            f"there are {number(r.randint(2, 99))} people "
            f"{r.choice(['trapped', 'injured', 'inside', 'missing', 'waiting'])} {where(r)}"
        ),
        0.8,
    ),
    (lambda r: f"{r.choice(ACTIONS)} to {address(r)}", 1.0),
    (
        lambda r: (
            f"{r.choice(['hello', 'emergency', 'please help', 'nine one one', 'operator', 'yes'])}"
            f" {r.choice(ACTIONS)} {ill(r)}"
        ),
        1.0,
    ),
    (lambda r: "what is the address of the emergency", 0.05),
    (
        lambda r: f"how many people are {r.choice(['injured', 'trapped', 'inside', 'missing'])}",
        0.2,
    ),
    (
        lambda r: (
            f"is {r.choice(['he', 'she', 'the patient'])} "
            f"{r.choice(['breathing', 'awake', 'conscious', 'bleeding', 'responding'])}"
        ),
        0.3,
    ),
    (lambda r: f"help is on the way {r.choice(ACTIONS)}", 0.5),
    (lambda r: f"copy that {unit(r)} {r.choice(ACTIONS)}", 0.7),
    (lambda r: f"all units {r.choice(EVENTS)} on {street(r)} {where(r)}", 1.0),
    (lambda r: f"caller reports {r.choice(EVENTS)} and {ill(r)}", 1.0),
    (lambda r: f"{person(r)} {age(r, 18)} lives at {address(r)}", 1.0),
]


def _until(random: Random, *, held_out: bool) -> str:
    while True:
        drawn = sentence(random)
        if is_held_out(drawn) == held_out:
            return drawn
