"""Which cause explains whom, and when the reset is the remedy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kit import diagnosis, schema
from kit.case import PROJECT
from kit.cause import CERTAINTIES, Cause
from kit.causes import ALL
from kit.diagnosis import Diagnosis
from tests.observations import ARRIVED, MY_SITE, OVERLOOKED, ago, configuration, observe, run

WORDS = ("", *CERTAINTIES)
MADE_UP = replace(ALL[0], farm=None, found=None, needs=(), harmless=False, remedy_is_reset=False)


def cause(name: str, *words: str, **changes: Any) -> Cause:
    """Return a cause that applies to people as the words say."""
    series = pd.Series(list(words), dtype="str")
    return replace(MADE_UP, name=name, applies=lambda _: series, fix=f"Mend {name}.", **changes)


def diagnosed(*causes: Cause, verdicts: Sequence[str] = ("stale",)) -> Diagnosis:
    """Return the diagnosis of people with some verdicts."""
    return diagnosis.diagnose(observe(*({"verdict": verdict} for verdict in verdicts)), causes)


def test_the_surest_cause_is_primary_and_the_others_are_listed() -> None:
    found = diagnosed(cause("first", "suspected"), cause("second", "confirmed"), cause("third", "probable"))

    (row,) = found.people.to_dict("records")
    assert (row["cause"], row["certainty"], row["also"]) == ("second", "confirmed", "third, first")


def test_of_equally_sure_causes_the_first_is_primary() -> None:
    assert diagnosed(cause("first", "probable"), cause("second", "probable")).people["cause"].tolist() == [
        "first"
    ]


def test_what_does_no_harm_never_displaces_what_does() -> None:
    found = diagnosed(cause("odd", "confirmed", harmless=True), cause("bad", "suspected"))

    assert found.people["cause"].tolist() == ["bad"]


def test_people_whom_no_cause_explains_are_listed_and_not_forced_into_one() -> None:
    found = diagnosed(
        cause("some", "confirmed", "", "", ""), verdicts=["stale", "stale", "in_sync", "no_photo"]
    )

    assert found.unexplained["account"].tolist() == ["contoso\\p1"]


def test_a_harmless_cause_explains_no_drift() -> None:
    found = diagnosed(cause("odd", "confirmed", "confirmed", harmless=True), verdicts=["stale", "unmatched"])

    assert found.unexplained["account"].tolist() == ["contoso\\p0"]


def test_findings_are_ordered_by_the_people_they_explain() -> None:
    found = diagnosed(
        cause("few", "confirmed", "", ""), cause("many", "", "probable", "suspected"), verdicts=["stale"] * 3
    )

    assert found.findings[["cause", "people", "certainty"]].to_numpy().tolist() == [
        ["many", 2, "1 probable, 1 suspected"],
        ["few", 1, "1 confirmed"],
    ]


def test_a_cause_that_could_not_be_checked_says_why() -> None:
    found = diagnosed(cause("blind", "confirmed", needs=("configuration",)))

    (row,) = found.findings.to_dict("records")
    assert (row["checked"], row["people"]) == (False, 0)
    assert row["not_checked"] == "not known: configuration"


def test_why_a_part_is_not_known_is_told_where_that_is_known() -> None:
    observation = observe({"verdict": "stale"}, missing=("configuration: none was given.",))
    found = diagnosis.diagnose(observation, [cause("blind", "confirmed", needs=("configuration",))])

    assert found.findings["not_checked"].tolist() == [
        "not known: configuration (configuration: none was given.)"
    ]


def test_a_cause_that_concerns_the_farm_is_told_though_it_blames_nobody() -> None:
    found = diagnosed(cause("wide", "", farm=lambda _: "probable", found=lambda _: "Seen today."))

    (row,) = found.findings.to_dict("records")
    assert (row["people"], row["certainty"]) == (0, "probable")
    assert row["explanation"].endswith("Seen today.")


def test_the_conclusion_names_causes_certainty_and_the_unexplained() -> None:
    text = diagnosis.conclusion(diagnosed(cause("bad", "confirmed", ""), verdicts=["stale", "stale"]))

    assert text.startswith("2 photos are not in order: 1 explained (1 confirmed), 1 by no known cause.")
    assert "Bad explains 1 person (1 confirmed): the address answers" in text


def test_the_conclusion_of_a_farm_in_order_is_that_there_is_nothing() -> None:
    assert "nothing to explain" in diagnosis.conclusion(diagnosed(cause("bad", ""), verdicts=["in_sync"]))


@pytest.mark.parametrize(("word", "remedy"), [("confirmed", True), ("probable", True), ("suspected", False)])
def test_a_suspicion_is_not_enough_for_the_reset(word: str, *, remedy: bool) -> None:
    causes = [cause("case", word, remedy_is_reset=True)]

    assert diagnosis.reset_is_remedy(diagnosed(*causes))[0] is remedy


def test_the_sentence_about_the_reset_names_the_other_cause_and_its_fix() -> None:
    causes = [cause("case", "suspected", remedy_is_reset=True), cause("other", "confirmed")]
    remedy, sentence = diagnosis.reset_is_remedy(diagnosed(*causes))

    assert not remedy
    assert sentence == "The reset is not the remedy: other explains 1 person (1 confirmed). Mend other."


@pytest.mark.parametrize(
    ("verdict", "words"),
    [("stale", "no known cause explains 1 person"), ("in_sync", "nobody's photo has drifted")],
)
def test_without_a_cause_there_is_no_reset(verdict: str, words: str) -> None:
    causes = [cause("case", "", remedy_is_reset=True)]
    remedy, sentence = diagnosis.reset_is_remedy(diagnosed(*causes, verdicts=[verdict]))

    assert not remedy
    assert words in sentence


def test_the_case_makes_the_reset_the_remedy(tmp_path: Path) -> None:
    found = diagnosis.diagnose(observe(OVERLOOKED, configuration=configuration(tmp_path)))

    assert found.people["cause"].tolist() == ["overlooked_by_full_import"]
    assert diagnosis.reset_is_remedy(found) == (
        True,
        "The reset is the remedy for 1 person (overlooked by full import: 1 person, 1 confirmed).",
    )


@pytest.mark.parametrize(
    ("cause", "settings"),
    [
        ("picture_not_selected", {"selected": ("UserName",)}),
        ("picture_export_only", {"direction": "Export only (NEVER from SharePoint)"}),
        ("directory_takes_precedence", {"precedence": "equal"}),
        ("no_export_flow", {"exports": ()}),
        ("wrong_directory_attribute", {"exports": (("jpegPhoto", "photo"),)}),
        ("export_never_runs", {"steps": ("Voll", "Delta", "VollSync", "DeltaSync")}),
    ],
)
def test_on_a_farm_with_another_cause_the_reset_is_not_the_remedy(
    tmp_path: Path, cause: str, settings: dict[str, Any]
) -> None:
    history = [run("SPMA", "FullImport", 1), run("ADMA", "Export", 1)]
    barred = configuration(tmp_path, **settings)
    found = diagnosis.diagnose(observe(OVERLOOKED, ARRIVED, configuration=barred, history=history))
    remedy, sentence = diagnosis.reset_is_remedy(found)

    assert not remedy
    assert f"{cause.replace('_', ' ')} explains 2 people" in sentence


def test_nobody_at_all_is_no_trouble() -> None:
    found = diagnosis.diagnose(observe())

    assert found.people.dtypes.astype(str).to_dict() == diagnosis.DIAGNOSED
    assert found.findings.dtypes.astype(str).to_dict() == diagnosis.FINDINGS


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(WORDS), st.sampled_from(WORDS)), min_size=1, max_size=4))
def test_the_primary_cause_is_one_that_applies_and_none_is_lost(words: list[tuple[str, str]]) -> None:
    causes = [cause(f"cause{number}", *both) for number, both in enumerate(words)]
    people = diagnosed(*causes, verdicts=["stale", "stale"]).people

    for person, row in enumerate(people.to_dict("records")):
        applying = {f"cause{number}": both[person] for number, both in enumerate(words) if both[person]}
        told = [name for name in [row["cause"], *row["also"].split(", ")] if name]
        assert sorted(told) == sorted(applying)
        assert row["certainty"] == applying.get(row["cause"], "")


def test_every_cause_has_a_name_of_its_own() -> None:
    assert len({cause.name for cause in ALL}) == len(ALL)


def test_every_cause_says_what_is_seen_what_refutes_it_and_what_mends_it() -> None:
    texts = ("symptom", "checked", "evidence", "cause", "refuted_by", "fix")

    assert [cause.name for cause in ALL if not all(getattr(cause, text) for text in texts)] == []


def test_every_next_notebook_exists() -> None:
    named = {cause.next_notebook for cause in ALL if cause.next_notebook}

    assert [name for name in named if not (PROJECT / "notebooks" / f"{name}.ipynb").is_file()] == []


def test_every_column_named_as_evidence_exists_and_every_need_can_be_asked() -> None:
    observation = observe({})
    columns = {name for cause in ALL for name in cause.evidence if not name.startswith("farm: ")}

    assert columns - set(observation.people.columns) == set()
    assert {type(observation.has(need)) for cause in ALL for need in cause.needs} == {bool}


def test_a_photo_that_only_a_cache_makes_look_old_is_explained() -> None:
    cached = {"verdict": "stale", "cached_picture": True, "fresh_sha256": "aa"}
    found = diagnosis.diagnose(observe(cached))

    assert found.people["cause"].tolist() == ["cached_picture"]
    assert found.unexplained.empty


def test_what_concerns_the_farm_is_told_although_those_it_may_concern_have_a_surer_cause() -> None:
    found = diagnosed(cause("sure", "confirmed"), cause("wide", "suspected", farm=lambda _: "confirmed"))

    assert diagnosis.leading(found)[["cause", "people", "certainty"]].to_numpy().tolist() == [
        ["sure", 1, "1 confirmed"],
        ["wide", 0, "confirmed"],
    ]


def test_a_cause_that_is_nobody_s_first_does_not_lead() -> None:
    found = diagnosed(cause("sure", "confirmed"), cause("unsure", "suspected"))

    assert diagnosis.leading(found)["cause"].tolist() == ["sure"]


def test_one_of_several_parts_is_enough_to_check_a_cause() -> None:
    either = cause("either", "confirmed", needs=("trace or history",))
    seen = diagnosis.diagnose(observe({"verdict": "stale"}, history=[run("SPMA", "FullImport", 1)]), [either])

    assert seen.people["cause"].tolist() == ["either"]
    assert diagnosed(either).findings["not_checked"].tolist() == [
        "not known: connector spaces or run history"
    ]


def test_the_conclusion_names_three_causes_at_most_in_words_and_a_sentence_each() -> None:
    causes = [
        cause(f"cause_{number}", *("confirmed" if row == number else "" for row in range(5)))
        for number in range(5)
    ]
    text = diagnosis.conclusion(diagnosed(*causes, verdicts=["stale"] * 5))

    assert text.startswith(
        "5 photos are not in order: 5 explained (5 confirmed), nobody is left unexplained."
    )
    assert text.count("Cause ") == 3
    assert "_" not in text


def test_everybody_unknown_is_said_to_be_unexplained() -> None:
    found = diagnosis.diagnose(observe(*[{"verdict": "unknown"}] * 3))

    assert diagnosis.conclusion(found) == "3 photos are not in order: 0 explained, 3 by no known cause."
    assert not diagnosis.reset_is_remedy(found)[0]


STATES = st.sampled_from(sorted(schema.HOP_STATES))
MAYBE = st.sampled_from([True, False, None])
TIMES = st.sampled_from([None, ago(0.5), ago(5), ago(400), ago(-3)])
ANYBODY = st.fixed_dictionaries(
    {},
    optional={
        "verdict": st.sampled_from(sorted(schema.VERDICTS)),
        "traced": st.booleans(),
        "in_directory": st.booleans(),
        "in_sharepoint": st.booleans(),
        "account": st.sampled_from(["", "anna", "contoso\\anna", "FABRIKAM\\anna", "i:05.t|adfs|a@x"]),
        "profile_account": st.sampled_from(["", "i:0#.w|contoso\\anna", "CONTOSO\\anna"]),
        "picture_url": st.sampled_from(
            [
                "",
                " ",
                "/a.jpg",
                "http://[",
                "https://my:99999/x",
                "https://my/Benutzerfotos/Profilbilder/a_MThumb.jpg",
            ]
        ),
        "picture_kind": st.sampled_from(["", "image", "missing", "login_page", "forbidden", "unreachable"]),
        "error_kind": st.sampled_from(["", "SignIn", "Duplicate", "Certificate"]),
        "thumbnails": st.sampled_from(["", "-", "SL", "SML"]),
        "picture_timestamp": TIMES,
        "change_logged_at": TIMES,
        "directory_changed_at": TIMES,
        "full_import_since": MAYBE,
        "delta_import_since": MAYBE,
        "joined": MAYBE,
        "removal_pending": MAYBE,
        "cached_picture": MAYBE,
        "writer": st.sampled_from(["", "another_writer", "synchronization_service"]),
        "sharepoint_bytes": st.sampled_from([None, 10, 200_000]),
        **dict.fromkeys(("sharepoint_connector_space", "pending_import", "ad_connector_space"), STATES),
        **dict.fromkeys(("pending_export", "active_directory"), STATES),
    },
)
RUNS = st.lists(
    st.builds(
        run,
        st.sampled_from(["SPMA", "adma", "HR"]),
        st.sampled_from(["FULLIMPORT", "DeltaSync", "Export", "Nachts"]),
        st.sampled_from([0.1, 1, 30]),
        st.sampled_from(["success", "in-progress", "", "stopped-extension-dll-exception", "odd"]),
        st.integers(1, 9),
    ),
    max_size=4,
)
ERRORS = st.lists(
    st.fixed_dictionaries(
        {
            "agent": st.sampled_from(["SPMA", "adma", ""]),
            "side": st.sampled_from(["discovery", "import", "export", "connection"]),
            "error_type": st.sampled_from(["", "permission-issue", "kerberos-x", "extension-dll-exception"]),
            "dn": st.sampled_from(["", "anna", "CN=p0,DC=contoso,DC=example"]),
            "run_number": st.sampled_from([None, 1, 5]),
        }
    ),
    max_size=3,
)


@settings(max_examples=8, deadline=None)
@given(st.lists(ANYBODY, max_size=9), RUNS, ERRORS, st.sampled_from(["", MY_SITE]))
def test_whatever_is_observed_everybody_out_of_order_is_explained_or_listed(
    people: list[Any], history: list[Any], errors: list[Any], my_site: str
) -> None:
    observation = observe(*people, history=history, incidents=errors, my_site=my_site)
    found = diagnosis.diagnose(observation)
    explained = found.people[found.people["cause"].ne("")]
    drifting = found.people[~found.people["verdict"].isin(["in_sync", "no_photo"])]

    assert set(drifting["person"]) <= {*explained["person"], *found.unexplained["person"]}
    assert "reset" in diagnosis.reset_is_remedy(found)[1]
    assert diagnosis.conclusion(found)
