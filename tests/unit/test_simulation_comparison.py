"""Who is better, and what is printed of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from allocator.simulation.__main__ import main
from allocator.simulation.comparison import frontier, no_worse, verdicts
from allocator.simulation.measures import Result
from allocator.simulation.report import summary_lines


def result(
    rule: str = "ours",
    variant: str = "",
    *,
    waited: float = 0.1,
    p99: float = 5.0,
    slot_hours: float = 100.0,
    interruptions: int = 0,
) -> Result:
    return Result(
        "day",
        rule,
        variant,
        1000,
        waited,
        p99,
        1.0,
        9.0,
        slot_hours,
        interruptions,
        0,
        0,
        0,
        9,
        9,
        0,
    )


@pytest.mark.parametrize(
    "worse",
    [{"waited": 0.2}, {"p99": 6.0}, {"slot_hours": 101.0}, {"interruptions": 1}],
)
def test_worse_in_one_thing_is_worse(worse: dict[str, float]) -> None:
    assert no_worse(result(), result())
    assert no_worse(result(), result(**worse))
    assert not no_worse(result(**worse), result())


def test_a_setting_that_nothing_matches_is_named() -> None:
    ours = [result(variant="a", waited=0.2, slot_hours=90.0), result(variant="b")]
    others = [
        result("seed", "idle 1", interruptions=7),
        result("seed", "idle 2", slot_hours=50.0),
    ]
    matched, unmatched = verdicts([*ours, *others])
    assert matched.best == ours[1]
    assert unmatched.best is None
    (line,) = summary_lines([matched, unmatched])
    assert line == "seed's rule: 1 of 2 settings are matched; not day idle 2"


def test_the_frontier_leaves_out_what_is_beaten() -> None:
    cheap = result(waited=0.3, slot_hours=50.0)
    good = result(waited=0.1, slot_hours=80.0)
    beaten = result(waited=0.2, slot_hours=90.0)
    assert frontier([beaten, good, cheap]) == [cheap, good]


def test_the_command_prints_json_and_writes_results_and_pictures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["--quick", "--scenario", "quiet", "--policy", "seed", "--json"]
    assert main([*asked, "--out", str(tmp_path)]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert [each["variant"] for each in printed["results"]] == ["idle 1", "idle 2"]
    assert json.loads((tmp_path / "results.json").read_text())["results"] == printed["results"]
    assert {path.suffix for path in tmp_path.iterdir()} == {".json", ".svg"}


def test_help_names_every_scenario_and_rule(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    text = capsys.readouterr().out
    assert all(word in text for word in ("incident", "large", "KEDA-style", "seed's rule"))
