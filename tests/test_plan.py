from dataclasses import replace

import cases
import pandas as pd
import pytest

from kit import configuration, plan
from kit.agents import RunProfile, RunStep
from kit.baseline import Baseline
from kit.errors import CaseError, NotFoundError, ParameterError, SafetyError
from kit.lab.saved import save
from kit.lab.site import field_rules
from kit.plan import RUN_ORDER, check_names, check_order, make
from kit.sequence import FINAL_CYCLE

BEGIN = ("sharepoint full_import", "sharepoint full_sync")
PREPARE = ("directory full_import", "directory full_sync")
EXPORT = "directory export"


@pytest.fixture
def saved(tmp_path, site_time):
    """Return MIM's configuration, really exported, with provisioning off."""
    save(field_rules(provisioning=False), tmp_path / "configuration", site_time)
    return configuration.read(tmp_path / "configuration")


@pytest.fixture
def site_time():
    return pd.Timestamp("2024-05-01T10:00:00Z").to_pydatetime()


def everyone():
    return cases.people(
        {"account": "anna", "verdict": "stale", "directory_sha256": "old", "sharepoint_sha256": "new"},
        {"account": "berta", "verdict": "in_sync", "directory_sha256": "b", "sharepoint_sha256": "b again"},
        {"account": "carl", "verdict": "in_sync", "directory_sha256": "same", "sharepoint_sha256": "same"},
        {"account": "dora", "verdict": "missing_in_ad", "sharepoint_sha256": "d"},
        {"account": "emil", "verdict": "uncertain", "directory_sha256": "e", "sharepoint_sha256": "f"},
        {"account": "frida", "verdict": "placeholder", "directory_sha256": "g", "sharepoint_sha256": "h"},
        {"account": "gerd", "verdict": "unreadable", "directory_sha256": "i", "sharepoint_sha256": "j"},
        {"account": "hanna", "verdict": "unknown", "directory_sha256": "k", "sharepoint_sha256": "l"},
        {"account": "ida", "verdict": "missing_in_sharepoint", "directory_sha256": "m"},
    )


def plan_of(tmp_path, *run_order, found=None, limit=30.0, people=None, mim=None, **options):
    case = cases.case(tmp_path, mim=mim or {})
    people = everyone() if people is None else people
    return make(case, people, found, run_order, export_limit_percent=limit, **options)


def names(made):
    return [step.name for step in made.steps]


# The order of runs

ONCE_EACH = "the directory agent needs its full import, its full sync and its export once each"


def test_the_usual_order_is_allowed():
    check_order(RUN_ORDER)


def test_the_shortest_order_is_allowed():
    check_order([*BEGIN, *PREPARE, EXPORT])


@pytest.mark.parametrize(
    ("run_order", "cause"),
    [
        ([*BEGIN, *PREPARE, "directory purge"], "'directory purge' is no run"),
        (["Sharepoint full_import", *RUN_ORDER[1:]], "'Sharepoint full_import' is no run"),
        ([""], "'' is no run"),
        ([*PREPARE, *BEGIN, EXPORT], "the SharePoint agent's connector space is empty until its full import"),
        ([EXPORT, *BEGIN, *PREPARE], "the SharePoint agent's connector space is empty until its full import"),
        ([BEGIN[1], BEGIN[0], *PREPARE, EXPORT], "the SharePoint agent's connector space is empty"),
        ([BEGIN[0], *PREPARE, EXPORT], "the SharePoint agent's connector space is empty"),
        ([BEGIN[0], "sharepoint delta_sync", *PREPARE, EXPORT], "the SharePoint agent's connector space"),
        ([*BEGIN, EXPORT, *PREPARE], ONCE_EACH),
        ([*BEGIN, PREPARE[0], EXPORT, PREPARE[1]], ONCE_EACH),
        ([*BEGIN, PREPARE[1], EXPORT], ONCE_EACH),
        ([*BEGIN, *PREPARE], ONCE_EACH),
        ([*BEGIN, *PREPARE, EXPORT, EXPORT], ONCE_EACH),
        ([*BEGIN, PREPARE[1], PREPARE[0], EXPORT], ONCE_EACH),
    ],
)
def test_a_dangerous_order_is_refused(run_order, cause):
    with pytest.raises(ParameterError) as caught:
        check_order(run_order)
    assert str(caught.value).startswith(f"run_order is {run_order!r}: {cause}")


def test_a_dangerous_order_makes_no_plan(tmp_path):
    with pytest.raises(ParameterError):
        plan_of(tmp_path, EXPORT, *BEGIN, *PREPARE)


# The steps


def test_steps_are_numbered_from_one(tmp_path):
    steps = plan_of(tmp_path).steps
    assert [step.number for step in steps] == list(range(1, len(steps) + 1))


def test_gates_and_verifications_stand_in_their_places(tmp_path):
    assert names(plan_of(tmp_path)) == [
        "freeze_schedules",
        "backups_confirmed",
        "quiet",
        "backup",
        "provisioning_off",
        "delete_connector_space",
        *BEGIN,
        *PREPARE,
        "pending_exports",
        "approve_exports",
        EXPORT,
        "exported",
        "directory delta_import",
        "directory delta_sync",
        "confirmed",
        "sharepoint export",
        *FINAL_CYCLE,
        "provisioning_on",
        *FINAL_CYCLE,
        "settled",
        "photos_after",
        "unfreeze",
    ]


def test_provisioning_comes_on_again_also_where_sharepoint_is_not_exported_to(tmp_path):
    made = names(plan_of(tmp_path, *BEGIN, *PREPARE, EXPORT))
    assert made[made.index(EXPORT) :] == [
        EXPORT,
        "exported",
        "provisioning_on",
        *FINAL_CYCLE,
        "settled",
        "photos_after",
        "unfreeze",
    ]


def test_without_a_confirming_import_nothing_is_said_to_be_confirmed(tmp_path):
    assert "confirmed" not in names(plan_of(tmp_path, *BEGIN, *PREPARE, EXPORT, "directory delta_sync"))


def test_a_first_export_is_verified_before_the_rest(tmp_path):
    made = plan_of(tmp_path, first_export="Export10")
    at = names(made).index("approve_exports")
    assert names(made)[at + 1 : at + 4] == ["directory first_export", "first_photos", EXPORT]
    assert made.steps[at + 1].profile == "Export10"


def test_a_canary_ends_the_fix_with_a_full_import(tmp_path):
    made = plan_of(tmp_path, canary="anna")
    assert names(made)[-4:] == ["upload_canary", "sharepoint canary_import", "canary_seen", "unfreeze"]
    assert [step.profile for step in made.steps if "canary_import" in step.name] == ["FullImport"]


@pytest.mark.parametrize("canary", ["anna", "ANNA", "contoso\\anna"])
def test_a_canary_is_known_with_and_without_the_domain(tmp_path, canary):
    people = cases.people({"account": "contoso\\anna", "verdict": "stale"})
    made = plan_of(tmp_path, canary=canary, people=people)
    assert {step.subject for step in made.steps} == {"", "contoso\\anna"}


def test_a_canary_that_nobody_is_is_refused(tmp_path):
    with pytest.raises(ParameterError, match="canary is 'zoe': 0 people with a profile in SharePoint"):
        plan_of(tmp_path, canary="zoe")


@pytest.mark.parametrize("profile", ["Export10", "EXPORT10"])
def test_a_first_export_needs_a_profile_with_an_object_threshold(tmp_path, saved, profile):
    limited = RunProfile("Export10", (RunStep("export", "", 10, None),))
    agents = [replace(agent, run_profiles=(*agent.run_profiles, limited)) for agent in saved.agents]
    found = replace(saved, agents=tuple(agents))
    assert "directory first_export" in names(plan_of(tmp_path, found=found, first_export=profile))


def test_a_first_export_without_a_threshold_is_refused(tmp_path, saved):
    with pytest.raises(
        ParameterError, match=r"first_export is 'Export': .* with an object threshold are none"
    ):
        plan_of(tmp_path, found=saved, first_export="Export")


# The numbers


def expected(made):
    return {step.name: step.expected.partition(": ")[2] for step in made.steps}


def test_numbers_of_objects_come_from_the_agents_counters(tmp_path):
    baseline = Baseline({"SPMA": 1294, "ADMA": 276, "HR": 9}, {"SPMA": 274, "ADMA": 275, "HR": 9})
    told = expected(plan_of(tmp_path, baseline=baseline))
    assert told["quiet"] == "SPMA 1,294 objects, 274 joined; ADMA 276 objects, 275 joined"
    assert [told[run] for run in (*BEGIN, PREPARE[0])] == ["1,294 objects", "274 joined", "276 objects"]


def test_numbers_of_photos_come_from_the_comparison(tmp_path):
    told = expected(plan_of(tmp_path))
    names = ("backup", PREPARE[1], "pending_exports", "approve_exports", EXPORT, "photos_after")
    assert [told[name] for name in names] == [
        "8 photos",
        "3 updates",
        "3 updates, 2 at most",
        "3 photos",
        "3 updates",
        "3 exported, 6 as they were",
    ]


def test_whoever_mim_has_not_joined_is_not_counted(tmp_path):
    people = everyone()
    people["joined"] = (people["account"] != "dora").astype("boolean")
    assert expected(plan_of(tmp_path, people=people))[EXPORT] == "2 updates"


def test_the_backup_is_made_before_anybody_is_asked_to_delete(tmp_path):
    made = names(plan_of(tmp_path))
    assert made.index("backup") < made.index("delete_connector_space")


def test_pending_exports_are_read_and_approved_right_before_the_export(tmp_path):
    made = names(plan_of(tmp_path, *BEGIN, *PREPARE, "sharepoint delta_import", EXPORT))
    at = made.index(EXPORT)
    assert made[at - 2 : at] == ["pending_exports", "approve_exports"]


def test_runs_have_the_site_s_names(tmp_path):
    made = plan_of(tmp_path, mim={"sharepoint_agent": "UPS", "run_profiles": {"full_import": "Voll"}})
    step = next(step for step in made.steps if step.name == "sharepoint full_import")
    assert (step.kind, step.agent, step.profile) == ("run", "UPS", "Voll")


def test_the_space_to_delete_is_the_sharepoint_agent_s(tmp_path):
    made = plan_of(tmp_path, mim={"sharepoint_agent": "UPS", "directory_agent": "AD"})
    gate = next(step for step in made.steps if step.name == "delete_connector_space")
    assert (gate.kind, gate.agent, gate.expected) == (
        "gate",
        "UPS",
        "UPS holds 0 objects, AD as many as before",
    )


def test_the_plan_is_a_frame_of_its_steps(tmp_path):
    made = plan_of(tmp_path)
    frame = made.frame()
    assert frame["name"].tolist() == names(made)
    assert list(frame.columns) == ["step", "kind", "name", "agent", "profile", "expected"]


# Whose photos should change


def test_photos_change_where_sharepoint_has_a_real_picture_with_other_bytes():
    found = plan.changes(everyone())
    assert list(found[["account", "class", "sha256"]].itertuples(index=False, name=None)) == [
        ("anna", "expected", "new"),
        ("berta", "re_encoded", "b again"),
        ("dora", "expected", "d"),
    ]


def test_nobody_s_photo_changes_where_all_are_equal():
    assert len(plan.changes(everyone().query("account == 'carl'"))) == 0


def test_the_export_limit_is_a_share_of_those_with_a_photo(tmp_path):
    assert plan_of(tmp_path, limit=50).export_limit == 4  # of eight


@pytest.mark.parametrize(("number", "limit"), [(0, 4), (3, 3), (99, 4)])
def test_the_lesser_of_number_and_share_is_the_limit(tmp_path, number, limit):
    assert plan_of(tmp_path, limit=50, export_limit=number).export_limit == limit


def test_the_export_limit_is_never_less_than_one(tmp_path):
    assert plan_of(tmp_path, limit=0).export_limit == 1


def test_an_inventory_is_not_enough_for_a_plan(tmp_path):
    with pytest.raises(CaseError, match="run 20_compare_photos"):
        plan_of(tmp_path, people=everyone().assign(verdict=""))


# What the configuration says


def test_without_a_configuration_the_fix_is_refused(tmp_path):
    with pytest.raises(SafetyError) as caught:
        plan_of(tmp_path).refuse_hazards()
    assert str(caught.value).startswith(
        "the fix must not go on, 1 hazard: MIM's configuration was not read: "
    )


def test_a_good_configuration_is_not_refused(tmp_path, saved):
    plan_of(tmp_path, found=saved).refuse_hazards()


def test_a_hazardous_configuration_is_refused_with_its_consequence(tmp_path, site_time):
    save(field_rules(recall=True, suppress_deletions=False), tmp_path / "hazard", site_time)
    found = configuration.read(tmp_path / "hazard")
    made = plan_of(tmp_path, found=found)
    with pytest.raises(SafetyError, match=r"the fix must not go on, \d hazards?: "):
        made.refuse_hazards()


def test_a_configuration_that_is_not_named_is_not_read(tmp_path):
    assert plan.read_configuration(cases.case(tmp_path)) is None


def test_the_configuration_is_read_from_the_folder_of_the_case_file(tmp_path, saved):
    case = cases.case(tmp_path, mim={"configuration_folder": "configuration"})
    assert plan.read_configuration(case) == saved


def test_a_configuration_folder_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(NotFoundError, match="it does not exist"):
        plan.read_configuration(cases.case(tmp_path, mim={"configuration_folder": "none"}))


def test_names_of_the_server_are_accepted_in_any_case(tmp_path, saved):
    check_names(cases.case(tmp_path, mim={"run_profiles": {"full_sync": "FULLSYNC"}}), saved)


def test_an_unknown_agent_is_named_with_those_that_are_there(tmp_path, saved):
    with pytest.raises(NotFoundError) as caught:
        check_names(cases.case(tmp_path, mim={"sharepoint_agent": "SPMB"}), saved)
    there = "the server has ADMA, SPMA"
    assert str(caught.value) == f"management agent 'SPMB' is unknown: {there}; correct the case file."


def test_an_unknown_run_profile_is_named_with_those_that_are_there(tmp_path, saved):
    with pytest.raises(NotFoundError) as caught:
        check_names(cases.case(tmp_path, mim={"run_profiles": {"delta_sync": "Delta"}}), saved)
    there = "the agent has FullImport, FullSync, DeltaImport, DeltaSync, Export"
    step = "create it in miisclient, or correct the case file"
    assert str(caught.value) == f"run profile 'Delta' of 'SPMA' is unknown: {there}; {step}."


def test_an_agent_without_run_profiles_is_told(tmp_path, saved):
    bare = replace(saved, agents=tuple(replace(agent, run_profiles=()) for agent in saved.agents))
    with pytest.raises(NotFoundError, match="the agent has none"):
        check_names(cases.case(tmp_path), bare)


@pytest.mark.parametrize(
    ("mim", "named"),
    [
        ({"sharepoint_agent": "ADMA", "directory_agent": "SPMA"}, "'ADMA' is not one of SharePoint"),
        ({"sharepoint_agent": "ADMA"}, "'ADMA' is not one of SharePoint"),
        ({"directory_agent": "SPMA"}, "'SPMA' is not one of AD"),
    ],
)
def test_agents_that_are_swapped_are_refused(tmp_path, saved, mim, named):
    with pytest.raises(SafetyError, match=f"management agent {named}: "):
        check_names(cases.case(tmp_path, mim=mim), saved)


def test_the_forecast_counts_whom_mim_has_not_joined(tmp_path):
    everyone = cases.people(
        {"account": "anna", "verdict": "stale", "sharepoint_sha256": "a", "joined": True},
        {"account": "berta", "verdict": "stale", "sharepoint_sha256": "b", "joined": False},
    )
    made = plan.make(cases.case(tmp_path), everyone, None, (), export_limit_percent=30)
    assert plan.forecast(made, everyone) == (
        "2 photos differ; 1 of these people are not joined in MIM and stay as they are; "
        "one export may change 1 at most."
    )


# The cause

CASE = {"cause": "overlooked_by_full_import", "people": 1, "certainty": "1 confirmed", "harmless": False}
OTHER = {"cause": "no_export_flow", "people": 2, "certainty": "2 confirmed", "harmless": False}
WORDS = {"explanation": "Nothing flows.", "fix": "Add an export flow."}


def diagnosed(*causes):
    rows = [{**WORDS, "remedy_is_reset": cause is CASE, **cause} for cause in causes]
    return {"findings": rows, "unexplained": 0}


def test_where_every_cause_is_another_one_there_are_no_steps(tmp_path, saved):
    assert plan_of(tmp_path, found=saved, diagnosed=diagnosed(OTHER)).steps == ()


def test_where_every_cause_is_another_one_the_first_finding_says_so_and_what_mends_it(tmp_path, saved):
    first = plan_of(tmp_path, found=saved, diagnosed=diagnosed(OTHER)).findings.iloc[0]
    told = "deleting the SharePoint connector space is not the remedy"
    assert (first["severity"], first["finding"], first["remedy"]) == ("stop", told, "Add an export flow.")


def test_where_every_cause_is_another_one_the_fix_refuses_to_begin(tmp_path, saved):
    with pytest.raises(SafetyError, match="is not the remedy"):
        plan_of(tmp_path, found=saved, diagnosed=diagnosed(OTHER)).refuse_hazards()


def test_where_every_cause_is_another_one_nothing_is_forecast(tmp_path, saved):
    fix = plan_of(tmp_path, found=saved, diagnosed=diagnosed(OTHER))
    assert plan.forecast(fix, everyone()).startswith("There is no plan: ")


def test_a_cause_that_the_reset_mends_gives_the_plan_beside_others(tmp_path, saved):
    made = plan_of(tmp_path, found=saved, diagnosed=diagnosed(CASE, OTHER))
    assert len(made.steps) == len(plan_of(tmp_path, found=saved).steps)


def test_a_plan_without_a_diagnosis_says_that_the_cause_is_not_known(tmp_path, saved):
    found = plan_of(tmp_path, found=saved).findings
    assert found.loc[found["finding"] == "the causes were not looked for", "severity"].tolist() == ["warn"]
