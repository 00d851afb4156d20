"""Whether the reset is the remedy: one judgement, of a diagnosis and of what a case has saved of it."""

from __future__ import annotations

import json
from dataclasses import replace

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kit import diagnosis, remedy
from kit.cause import CERTAINTIES
from kit.causes import ALL
from kit.diagnosis import FINDINGS, Diagnosis
from kit.schema import conform
from tests.observations import observe

MADE_UP = replace(ALL[0], farm=None, found=None, needs=(), harmless=False, remedy_is_reset=False)
SEVERITIES = {"remedy": "note", "suspected": "warn", "other": "stop", "unknown": "stop", "nothing": "stop"}


def finding(cause: str, people: int, certainty: str, **changes: bool) -> dict[str, object]:
    """Return a finding as a case saves it."""
    row = {
        "cause": cause,
        "people": people,
        "also": 0,
        "certainty": certainty,
        "fix": f"Mend {cause}.",
        **changes,
    }
    return conform(pd.DataFrame([row]), FINDINGS).to_dict("records")[0]


@pytest.mark.parametrize(
    ("findings", "unexplained", "kind", "helped"),
    [
        ([finding("case", 7, "3 confirmed, 4 probable", remedy_is_reset=True)], 0, "remedy", 7),
        ([finding("case", 1_200, "1,100 probable, 100 suspected", remedy_is_reset=True)], 0, "remedy", 1_100),
        ([finding("case", 2, "2 suspected", remedy_is_reset=True)], 0, "suspected", 0),
        (
            [
                finding("case", 2, "2 suspected", remedy_is_reset=True),
                finding("runs", 0, "confirmed", farm=True),
            ],
            0,
            "suspected",
            0,
        ),
        ([finding("case", 0, "3 confirmed", remedy_is_reset=True)], 4, "unknown", 0),
        ([finding("other", 1, "1 suspected")], 9, "other", 0),
        ([finding("tiny", 9, "9 confirmed", harmless=True)], 0, "nothing", 0),
        ([], 3, "unknown", 0),
        ([], 0, "nothing", 0),
    ],
)
def test_the_reset_is_judged_by_the_people_whom_it_helps(
    findings: list[dict[str, object]], unexplained: int, kind: str, helped: int
) -> None:
    judgement = remedy.settle(findings, unexplained)

    assert (judgement.kind, judgement.helped) == (kind, helped)


def test_what_leads_instead_is_named_with_its_fix_in_words_that_can_be_read() -> None:
    judgement = remedy.settle([finding("no_export_flow", 0, "confirmed", farm=True)], 0)

    assert judgement.sentence == (
        "The reset is not the remedy: no export flow explains the farm as a whole (confirmed). "
        "Mend no_export_flow."
    )


def test_the_plan_is_told_how_many_the_reset_does_not_help() -> None:
    findings = [
        finding("case", 5, "4 confirmed, 1 suspected", remedy_is_reset=True),
        finding("other", 2, "2 probable"),
    ]
    told = remedy.judge({"findings": findings, "unexplained": 1})

    assert told.finding == "deleting the SharePoint connector space is the remedy for 4 people"
    assert "3 people have another or a suspected cause, and 1 person none" in told.consequence


WORDS = st.sampled_from(["", *CERTAINTIES])
CAUSE = st.tuples(st.booleans(), st.booleans(), st.tuples(WORDS, WORDS, WORDS), WORDS)
VERDICTS = st.lists(st.sampled_from(["stale", "in_sync", "uncertain"]), min_size=3, max_size=3)


@settings(max_examples=30, deadline=None)
@given(st.lists(CAUSE, max_size=4), VERDICTS)
def test_the_diagnosis_and_the_plan_never_disagree(
    rules: list[tuple[bool, bool, tuple[str, ...], str]], verdicts: list[str]
) -> None:
    causes = [
        replace(
            MADE_UP,
            name=f"cause_{number}",
            remedy_is_reset=reset,
            harmless=harmless and not reset,
            applies=lambda _, words=words: pd.Series(words, dtype="str"),  # type: ignore[misc]
            farm=lambda _, word=farm: word,  # type: ignore[misc]
        )
        for number, (reset, harmless, words, farm) in enumerate(rules)
    ]
    found = diagnosis.diagnose(observe(*({"verdict": verdict} for verdict in verdicts)), causes)
    told = remedy.judge(saved(found))
    kind = remedy.settle(saved(found)["findings"], len(found.unexplained)).kind

    assert diagnosis.reset_is_remedy(found)[0] == (told.severity == "note")
    assert told.severity == SEVERITIES[kind]
    mended = [cause.name for cause in causes if cause.remedy_is_reset]
    sure = found.people["cause"].isin(mended) & found.people["certainty"].isin(["probable", "confirmed"])
    assert (kind == "remedy") == bool(sure.any())


def saved(found: Diagnosis) -> dict[str, list[dict[str, object]]]:
    """Return a diagnosis as it comes back out of a case's manifest."""
    told = {"findings": diagnosis.met(found).to_dict("records"), "unexplained": len(found.unexplained)}
    return json.loads(json.dumps(told))  # type: ignore[no-any-return]
