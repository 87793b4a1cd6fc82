"""A short round of every fault: nothing is lost, nothing is said twice, nothing is left behind.

How long each takes is measured by `make faults`, not here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.faults.case import CASES
from tests.faults.matrix import Matrix
from tests.faults.world import world

SESSIONS = 4
SECONDS = 6.0

pytestmark = [pytest.mark.faults, pytest.mark.slow, pytest.mark.timeout(400)]


@pytest.fixture(scope="module")
def matrix(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Matrix]:
    with world(tmp_path_factory.mktemp("faults"), spares=0) as made:
        yield Matrix(made, seed=1, sessions=SESSIONS, timed=False)


@pytest.mark.parametrize("name", CASES)
def test_it_costs_no_word(matrix: Matrix, name: str) -> None:
    case = CASES[name]
    short = replace(case, seconds=min(case.seconds, SECONDS)) if case.seconds < 60 else case
    outcome = matrix.round(short, 0)
    if outcome.not_played:
        pytest.skip(outcome.not_played)
    assert [cost for cost in outcome.costs if not cost.nothing] == []
    assert outcome.wrong == []
