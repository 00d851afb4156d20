"""The diagnosis against causes planted on practice farms: every one found, nobody blamed wrongly."""

from __future__ import annotations

from functools import cache

import pandas as pd
import pytest

from kit.benchmarks import diagnosis
from kit.benchmarks.diagnosis import SMALL, USERS, Trial
from kit.lab.conditions import CONDITIONS
from kit.lab.plantings import PLANTINGS

SEEDS = (1, 2, 3)


@cache  # each farm is diagnosed once
def trial(seed: int) -> Trial:
    return diagnosis.trial(seed, USERS)


@cache
def condition(cause: str) -> pd.Series:
    return diagnosis.conditions(1, SMALL, (cause,)).loc[cause]


def show(capsys: pytest.CaptureFixture[str], title: str, table: str) -> None:
    """Print a table although the test passes."""
    with capsys.disabled():
        print(f"\n{title}\n{table}")  # noqa: T201 - it is meant to be read


@pytest.mark.parametrize("seed", SEEDS)
def test_nobody_is_blamed_wrongly(seed: int, capsys: pytest.CaptureFixture[str]) -> None:
    show(capsys, f"seed {seed}, {USERS} people", diagnosis.abridged(trial(seed).matrix).to_string())
    assert diagnosis.told(trial(seed)) == []


@pytest.mark.parametrize("seed", SEEDS)
def test_every_planted_cause_is_found(seed: int) -> None:
    recall = diagnosis.scores(trial(seed).matrix)["recall"]
    assert recall.loc[list(PLANTINGS)].to_dict() == dict.fromkeys(PLANTINGS, 1.0)


@pytest.mark.parametrize("seed", SEEDS)
def test_nobody_stays_unexplained(seed: int) -> None:
    assert trial(seed).diagnosis.unexplained["account"].tolist() == []


@pytest.mark.parametrize("cause", CONDITIONS)
def test_what_concerns_a_whole_farm_is_found(cause: str, capsys: pytest.CaptureFixture[str]) -> None:
    show(capsys, cause, condition(cause).to_string())
    assert condition(cause)["certainty"]


@pytest.mark.parametrize("cause", CONDITIONS)
def test_on_a_farm_with_one_cause_nobody_is_blamed_wrongly(cause: str) -> None:
    assert condition(cause)["wrong"] == ()


@pytest.mark.parametrize("cause", CONDITIONS)
def test_where_the_cause_is_another_one_the_reset_is_not_offered(cause: str) -> None:
    assert not condition(cause)["reset offered"]


def test_the_scores_count_who_was_missed_and_who_was_blamed() -> None:
    matrix = pd.DataFrame({"a": [1, 0, 0], "b": [1, 1, 1]}, index=["a", "b", "(none)"])
    assert diagnosis.scores(matrix).loc[["a", "b"]].to_numpy().tolist() == [[2, 1, 0.5, 0], [1, 1, 1.0, 2]]
