"""A short round of everything that can strike jobs: none is lost, none says anything else."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.faults.batch_cases import CASES
from tests.faults.batch_round import Rounds
from tests.faults.batch_world import world

pytestmark = [pytest.mark.faults, pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def rounds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rounds]:
    with world(tmp_path_factory.mktemp("batch-faults")) as made:
        yield Rounds(made, seed=1)


@pytest.mark.parametrize("name", CASES)
def test_no_job_is_lost_and_only_what_was_in_hand_is_heard_again(rounds: Rounds, name: str) -> None:
    outcome = rounds.play(CASES[name], 0)
    if outcome.not_played:
        pytest.skip(outcome.not_played)
    assert outcome.missed == []
