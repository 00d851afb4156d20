"""Causes in the import from SharePoint, the case among them, on observations made by hand."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kit import schema
from kit.causes import ALL, imports
from kit.configuration import Configuration
from kit.observation import Observation
from kit.runs import parse_run_details
from tests.observations import OVERLOOKED, ago, configuration, observe, run
from tests.saved_site import DIRECTORY, SHAREPOINT

UNTRACED = {
    **OVERLOOKED,
    "traced": False,
    "joined": None,
    **dict.fromkeys(("sharepoint_connector_space", "pending_import", "ad_connector_space"), "unknown"),
}
NOT_IMPORTED = {"full_import_since": False, "delta_import_since": False}
FIRST_PHOTO = OVERLOOKED | NOT_IMPORTED | {"verdict": "missing_in_ad", "sharepoint_connector_space": "none"}
HISTORY = [run("SPMA", "FullImport", 1), run("ADMA", "Export", 0.9)]


@pytest.fixture(scope="module")
def flows(tmp_path_factory: pytest.TempPathFactory) -> Configuration:
    """Return a configuration whose photos flow from SharePoint to Active Directory."""
    return configuration(tmp_path_factory.mktemp("flows"))


def certainty(name: str, observation: Observation) -> list[str]:
    """Return how surely a cause applies to each person."""
    (cause,) = (one for one in ALL if one.name == name)
    return cause.applies(observation).tolist()


def the_case(person: dict[str, Any], **farm: Any) -> str:
    """Return how surely a full import overlooked one person's picture."""
    return certainty("overlooked_by_full_import", observe(OVERLOOKED | person, **farm))[0]


def test_the_case_is_confirmed_with_all_five_pieces_of_evidence(flows: Configuration) -> None:
    assert the_case({}, configuration=flows) == "confirmed"


@pytest.mark.parametrize(
    ("missing", "left"),
    [
        ({"sharepoint_connector_space": "unknown", "pending_import": "unknown"}, "probable"),
        ({"pending_import": "unknown"}, "probable"),
        ({"picture_url": "https://my.contoso.example/User%20Photos/anna-2026.jpg"}, "probable"),
        ({"full_import_since": None}, "probable"),
        ({"delta_import_since": None}, "probable"),
        ({"full_import_since": None, "delta_import_since": None}, "suspected"),
        ({"picture_timestamp": None}, "suspected"),
    ],
)
def test_the_case_is_less_sure_with_each_piece_that_is_not_known(
    flows: Configuration, missing: dict[str, Any], left: str
) -> None:
    assert the_case(missing, configuration=flows) == left


def test_the_case_is_probable_where_the_direction_is_not_known() -> None:
    assert the_case({}) == "probable"


def test_dates_alone_make_a_suspicion() -> None:
    dates = {"picture_url": "https://my.contoso.example/anna.jpg"}

    assert certainty("overlooked_by_full_import", observe(UNTRACED | dates)) == ["suspected"]


@pytest.mark.parametrize(
    "against",
    [
        {"sharepoint_connector_space": "current"},
        {"sharepoint_connector_space": "none"},
        {"sharepoint_connector_space": "absent"},
        {"pending_import": "current"},
        {"full_import_since": False},
        {"delta_import_since": True},
        {"picture_url": ""},
        {"joined": False},
        {"sharepoint_objects": 2},
        {"sharepoint_object_account": "fabrikam\\p0"},
        {"ad_connector_space": "absent"},
        {"verdict": "in_sync"},
        {"verdict": "unknown"},
        {"verdict": "unreadable"},
        {"cached_picture": True, "fresh_sha256": "aa"},
    ],
)
def test_one_piece_against_it_refutes_the_case(flows: Configuration, against: dict[str, Any]) -> None:
    assert the_case(against, configuration=flows) == ""


@pytest.mark.parametrize(
    "settings",
    [
        {"direction": "Export only (NEVER from SharePoint)"},
        {"schema": 'ms:allowedOperation="ExportOnly"'},
        {"selected": ("UserName",)},
        {"providers": ((DIRECTORY, "thumbnailPhoto"), (SHAREPOINT, "Picture"))},
        {"precedence": "equal"},
        {"providers": ((DIRECTORY, "thumbnailPhoto"),)},
        {"exports": ()},
        {"exports": (("jpegPhoto", "photo"),)},
        {"sharepoint_exports": (("Picture", "photo"),)},
        {"steps": ("Voll", "Delta", "VollSync", "DeltaSync")},
    ],
)
def test_a_configuration_that_bars_the_way_refutes_the_case(tmp_path: Any, settings: dict[str, Any]) -> None:
    assert the_case({}, configuration=configuration(tmp_path, **settings)) == ""


@pytest.mark.parametrize(
    "clocks",
    [
        {"clock_errors": {"sharepoint": timedelta(hours=1)}},
        {"clock_errors": {"sharepoint": timedelta(minutes=-2), "mim": timedelta(0)}},
        {"now": ago(6)},
    ],
)
def test_times_are_no_evidence_where_clocks_disagree(flows: Configuration, clocks: dict[str, Any]) -> None:
    assert the_case({}, configuration=flows, **clocks) == "suspected"


def test_clocks_that_are_wrong_together_do_not_disagree(flows: Configuration) -> None:
    both = {name: timedelta(seconds=40) for name in ("sharepoint", "mim")}

    assert the_case({}, configuration=flows, clock_errors=both) == "confirmed"


def test_imports_that_staged_no_update_stand_for_a_pending_import_that_was_not_seen(
    flows: Configuration,
) -> None:
    steps = parse_run_details(
        "<run-history><run-details><ma-name>SPMA</ma-name><step-details><step-description>"
        '<step-type type="full-import"><import-subtype>to-cs</import-subtype></step-type></step-description>'
        "<staging-counters><stage-update>0</stage-update></staging-counters></step-details></run-details>"
        "</run-history>"
    )

    assert the_case({"pending_import": "unknown"}, configuration=flows, steps=steps) == "confirmed"


def test_a_person_whose_profile_an_import_could_not_read_was_not_overlooked(flows: Configuration) -> None:
    error = {"agent": "SPMA", "side": "discovery", "error_type": "read-error", "anchor": "p0"}

    assert the_case({}, configuration=flows, incidents=[error]) == ""


def test_a_delta_import_that_never_ran_is_told_from_a_full_one_that_overlooked(flows: Configuration) -> None:
    waiting = observe(OVERLOOKED | NOT_IMPORTED, OVERLOOKED, configuration=flows, history=HISTORY)

    assert certainty("delta_import_never_ran", waiting) == ["confirmed", ""]


def test_a_delta_import_cannot_bring_what_the_change_log_has_forgotten(flows: Configuration) -> None:
    old = OVERLOOKED | NOT_IMPORTED | {"picture_timestamp": ago(15)}
    observation = observe(old, configuration=flows, history=HISTORY)

    assert certainty("delta_import_never_ran", observation) == [""]
    assert certainty("missed_by_delta_import", observation) == ["probable"]


def test_a_delta_import_since_the_upload_that_left_the_hologram_old_has_missed_it(
    flows: Configuration,
) -> None:
    missed = observe(OVERLOOKED | {"delta_import_since": True}, configuration=flows, history=HISTORY)

    assert certainty("missed_by_delta_import", missed) == ["confirmed"]


def test_failed_imports_are_not_taken_for_missing_ones(flows: Configuration) -> None:
    history = [run("SPMA", "FullImport", 1, "stopped-server")]
    observation = observe(OVERLOOKED | NOT_IMPORTED, FIRST_PHOTO, configuration=flows, history=history)

    assert certainty("delta_import_never_ran", observation) == ["", ""]
    assert certainty("not_yet_due", observation) == ["", ""]
    assert certainty("run_did_not_complete", observation) == ["probable", "probable"]


def test_a_first_photo_that_no_import_has_met_is_not_yet_due(flows: Configuration) -> None:
    imported = FIRST_PHOTO | {"full_import_since": True}
    observation = observe(FIRST_PHOTO, imported, configuration=flows, history=HISTORY)

    assert certainty("not_yet_due", observation) == ["confirmed", ""]


def test_an_import_that_waits_for_its_synchronization_is_not_yet_due(flows: Configuration) -> None:
    waits = OVERLOOKED | {"pending_import": "current"}

    assert certainty("not_yet_due", observe(waits, configuration=flows, history=HISTORY)) == ["probable"]


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("picture_not_selected", {"selected": ("UserName",)}),
        ("picture_not_selected", {"directory_selected": ("sAMAccountName",)}),
        ("picture_export_only", {"direction": "Export only (NEVER from SharePoint)"}),
        ("picture_export_only", {"schema": 'ms:export-only="true"'}),
    ],
)
def test_an_agent_that_never_imports_the_picture_is_blamed_where_the_hologram_has_none(
    tmp_path: Any, name: str, settings: dict[str, Any]
) -> None:
    empty = OVERLOOKED | {"sharepoint_connector_space": "none"}
    observation = observe(empty, OVERLOOKED, {}, configuration=configuration(tmp_path, **settings))

    assert certainty(name, observation) == ["confirmed", "probable", ""]


def test_a_profile_that_a_full_import_did_not_bring_is_not_imported() -> None:
    absent = OVERLOOKED | {"sharepoint_connector_space": "absent", "joined": False}
    contractor = absent | {"ad_connector_space": "absent"}

    assert certainty("profile_not_imported", observe(absent, contractor)) == ["confirmed", ""]


def test_a_profile_that_an_import_cannot_read_is_blamed() -> None:
    error = {"agent": "SPMA", "side": "discovery", "error_type": "read-error", "dn": "p1", "run_number": 3}
    observation = observe(OVERLOOKED, OVERLOOKED, {}, incidents=[error])

    assert certainty("import_aborts_on_profile", observation) == ["", "confirmed", ""]


def test_a_profile_of_an_unknown_domain_and_its_lonely_account_have_a_wrong_prefix() -> None:
    account = {"account": "contoso\\anna", "in_sharepoint": False, "verdict": "unmatched"}
    observation = observe(account, account | {"person": "x"}, account | {"person": "y"})
    people = observation.people.assign(
        account=["contoso\\anna", "wrong\\anna", "wrong\\bea"],
        in_directory=[True, False, False],
        in_sharepoint=[False, True, True],
    )
    observation = Observation(people, observation.history, observation.steps, observation.incidents)

    assert imports.wrong_domain_prefix(observation).tolist() == ["suspected", "suspected", ""]


def test_a_profile_of_another_domain_of_the_forest_has_no_wrong_prefix() -> None:
    observation = observe(
        {"account": "contoso\\anna", "in_sharepoint": False, "verdict": "unmatched"},
        {"in_directory": False, "verdict": "unmatched"},
        domains=frozenset({"contoso", "fabrikam"}),
    )
    observation.people["account"] = ["contoso\\anna", "fabrikam\\anna"]

    assert certainty("wrong_domain_prefix", observation) == ["", ""]


STATES = st.sampled_from(sorted(schema.HOP_STATES))
MAYBE = st.sampled_from([True, False, None])
ANYBODY = st.fixed_dictionaries(
    {
        "verdict": st.sampled_from(["in_sync", "no_photo"]),
        "sharepoint_connector_space": STATES,
        "pending_import": STATES,
        "ad_connector_space": STATES,
        "pending_export": STATES,
        "full_import_since": MAYBE,
        "delta_import_since": MAYBE,
        "joined": MAYBE,
        "export_operation": st.sampled_from(["", "add", "update", "delete"]),
        "sharepoint_export_operation": st.sampled_from(["", "add", "update", "delete"]),
        "sharepoint_objects": st.sampled_from([None, 1, 2]),
        "directory_bytes": st.sampled_from([None, 5000, 20_000]),
        "traced": st.just(value=True),
    }
)


@settings(max_examples=6, deadline=None)
@given(st.lists(ANYBODY, min_size=16, max_size=16), st.sampled_from([[], HISTORY]))
def test_nobody_in_sync_is_blamed_by_a_rule_that_tells_of_harm(people: list[Any], history: list[Any]) -> None:
    observation = observe(*people, history=history)
    in_sync = observation.people["verdict"].eq("in_sync")
    harmful = (cause for cause in ALL if not cause.harmless)

    assert {cause.name for cause in harmful if cause.applies(observation)[in_sync].ne("").any()} == set()


def test_who_may_not_have_drifted_at_all_is_only_suspected(flows: Configuration) -> None:
    unclear = {"verdict": "uncertain", "sharepoint_connector_space": "uncertain"}

    assert the_case(unclear, configuration=flows) == "suspected"
    assert the_case({"verdict": "uncertain"}, configuration=flows) == "confirmed"


def test_a_stand_in_in_the_directory_alone_is_drift(flows: Configuration) -> None:
    only_there = {"verdict": "placeholder", "detail": "second placeholder; first: JPEG"}

    assert the_case(only_there, configuration=flows) == "confirmed"
    assert the_case({"verdict": "placeholder", "detail": "first placeholder"}, configuration=flows) == ""


def test_clocks_that_are_an_hour_off_here_alone_do_not_disagree(flows: Configuration) -> None:
    ahead = {name: timedelta(hours=1) for name in ("sharepoint", "mim")}

    assert the_case({}, configuration=flows, clock_errors=ahead) == "confirmed"


def test_the_address_of_most_pictures_is_fixed_though_the_my_site_host_calls_itself_otherwise(
    flows: Configuration,
) -> None:
    farm = {"configuration": flows, "my_site": "https://host.contoso.example"}
    read = {"picture_kind": "image"}

    assert certainty("overlooked_by_full_import", observe(OVERLOOKED | read, read, **farm))[0] == "confirmed"
    assert the_case({}, **farm) == "probable"


@pytest.mark.parametrize("agent", ["SPMA", "spma"])
@pytest.mark.parametrize(("number", "left"), [(3, "confirmed"), (2, "")])
def test_a_later_full_import_without_the_error_has_read_the_profile(
    agent: str, number: int, left: str
) -> None:
    error = {
        "agent": agent,
        "side": "discovery",
        "error_type": "read-error",
        "dn": "p0",
        "run_number": number,
    }
    history = [run("SPMA", "FULLIMPORT", 1, number=3), run("SPMA", "FullImport", 9, number=2)]
    observation = observe(OVERLOOKED, incidents=[error], history=history)

    assert certainty("import_aborts_on_profile", observation) == [left]


def test_a_full_import_whose_errors_are_not_known_overcomes_none() -> None:
    error = {"agent": "SPMA", "side": "discovery", "error_type": "read-error", "dn": "p0", "run_number": 2}
    history = [run("SPMA", "FullImport", 1, "completed-discovery-errors", number=3)]

    observation = observe(OVERLOOKED, incidents=[error], history=history)
    assert certainty("import_aborts_on_profile", observation) == ["confirmed"]


def test_an_import_that_may_be_pending_was_not_surely_missed(flows: Configuration) -> None:
    unseen = OVERLOOKED | {"delta_import_since": True, "pending_import": "unknown"}

    assert certainty("missed_by_delta_import", observe(unseen, configuration=flows)) == ["probable"]


def test_the_experiment_s_delta_import_makes_the_case_one_that_was_missed(flows: Configuration) -> None:
    after = observe(OVERLOOKED | {"delta_import_since": True}, configuration=flows, history=HISTORY)
    seen_by_it = observe(
        OVERLOOKED | {"delta_import_since": True, "pending_import": "current"},
        configuration=flows,
        history=HISTORY,
    )

    causes = [
        [cause.name for cause in ALL if cause.applies(one).iloc[0] and not cause.harmless]
        for one in (after, seen_by_it)
    ]
    assert causes == [["missed_by_delta_import"], ["not_yet_due"]]


@pytest.mark.parametrize(
    ("status", "days_ago", "due", "broken"),
    [
        ("success", 2, "probable", ""),  # before the last import
        ("success", 0.5, "", ""),
        ("stopped-server", 0.5, "", "probable"),
    ],
)
def test_an_import_that_waits_is_due_until_a_synchronization_should_have_taken_it(
    status: str, days_ago: float, due: str, broken: str
) -> None:
    waits = observe(
        OVERLOOKED | {"pending_import": "current"},
        history=[run("SPMA", "FullImport", 1), run("SPMA", "DELTASYNC", days_ago, status, number=2)],
    )

    assert certainty("not_yet_due", waits) == [due]
    assert certainty("run_did_not_complete", waits) == [broken]


def test_nobody_is_blamed_for_an_empty_connector_space() -> None:
    absent = OVERLOOKED | {"sharepoint_connector_space": "absent", "joined": False}
    outside = OVERLOOKED | {"ad_connector_space": "absent", "joined": False}
    empty = {"spma": {"NumCSObjects": 0}, "ADMA": {"NumCSObjects": 0}}
    observation = observe(absent, outside, counters=empty)

    assert certainty("profile_not_imported", observation)[0] == "suspected"
    assert certainty("outside_directory_agent_scope", observation)[1] == "suspected"
    (cause,) = (one for one in ALL if one.name == "profile_not_imported")
    assert cause.found is not None
    assert "The connector space of SPMA is empty" in cause.found(observation)


@pytest.mark.parametrize(
    ("mail", "left"), [("anna@contoso", "confirmed"), ("", "probable"), ("anna@fabrikam", "")]
)
def test_namesakes_are_one_person_only_with_the_same_mail(mail: str, left: str) -> None:
    account = {"in_sharepoint": False, "verdict": "unmatched", "mail": "Anna@contoso"}
    profile = {"in_directory": False, "verdict": "unmatched", "work_email": mail}
    observation = observe(account, profile)
    observation.people["account"] = ["contoso\\anna", "partner\\anna"]

    assert certainty("wrong_domain_prefix", observation) == [left, left]
    assert certainty("no_account", observation) == ["", "" if left else "confirmed"]
