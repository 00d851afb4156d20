from __future__ import annotations

from dataclasses import replace
from time import perf_counter
from xml.etree.ElementTree import fromstring

import pytest
from memory_farm import DELTA, FULL, MemoryFarm, case_farm, small

from kit.lab.rules import DeletionRule, Rules
from kit.lab.site import field_rules
from kit.lab.space import Delta

FIX = (("SPMA", FULL), ("ADMA", FULL), ("ADMA", ("Export", *DELTA)), ("SPMA", ("Export", *DELTA)))


def fix(farm: MemoryFarm) -> None:
    farm.engine.delete_connector_space("SPMA")
    for agent, profiles in FIX:
        farm.run(agent, *profiles)


def seen_in_the_directory(farm: MemoryFarm, name: str, profiles: tuple[str, ...]) -> bool:
    """Whether a newly uploaded photo comes through when these profiles are run."""
    farm.upload(name, b"new photo")
    farm.run("SPMA", *profiles)
    farm.run("ADMA", "Export")
    return farm.photo(name) == small(b"new photo")


@pytest.mark.parametrize(
    ("name", "profiles", "before", "after"),
    [
        ("anna", FULL, False, True),
        ("anna", DELTA, True, True),
        ("berta", FULL, True, True),
        ("berta", DELTA, True, True),
    ],
)
def test_which_import_sees_a_replaced_photo_before_and_after_the_fix(
    name: str, profiles: tuple[str, ...], before: bool, after: bool
) -> None:
    broken, fixed = case_farm(), case_farm()
    fix(fixed)
    assert (seen_in_the_directory(broken, name, profiles), seen_in_the_directory(fixed, name, profiles)) == (
        before,
        after,
    )


@pytest.mark.parametrize("profiles", [FULL, DELTA])
def test_both_imports_see_a_changed_phone_number_before_the_fix(profiles: tuple[str, ...]) -> None:
    farm = case_farm()
    farm.sharepoint.put("anna", WorkPhone="2")
    farm.run("SPMA", *profiles)
    farm.run("ADMA", "Export")
    assert farm.directory.objects["anna"]["telephoneNumber"] == "2"


def test_without_the_picture_model_a_full_import_sees_every_replaced_photo() -> None:
    assert seen_in_the_directory(case_farm(picture_model=False), "anna", FULL)


def test_a_full_import_makes_a_missed_delta_unreachable() -> None:
    farm = case_farm()
    farm.upload("anna", b"new photo")
    farm.run("SPMA", *FULL, *DELTA)
    assert farm.pending("ADMA") == {}


def test_the_fix_brings_a_stale_photo_up_to_date() -> None:
    farm = case_farm()
    farm.upload("anna", b"new photo")
    farm.run("SPMA", *FULL)
    fix(farm)
    assert farm.photo("anna") == small(b"new photo")


def test_while_stale_the_sharepoint_hologram_keeps_the_old_picture() -> None:
    farm = case_farm()
    farm.upload("anna", b"new photo")
    farm.run("SPMA", *FULL)
    (view,) = [
        view
        for view in farm.engine.connector_space_objects()
        if (view.agent, view.anchor) == ("SPMA", "anna")
    ]
    assert (view.hologram or {})["Picture"] == b"old photo"


# What is dangerous about deleting a connector space


def photo_only_from_sharepoint(**options: bool) -> Rules:
    return field_rules(directory_second=False, provisioning=False, **options)


def test_deleting_the_space_counts_and_clears_it() -> None:
    farm = case_farm()
    assert farm.engine.delete_connector_space("SPMA") == 2
    assert set(farm.engine.counters("SPMA").values()) == {0}


def test_with_recall_and_nulls_allowed_deleting_the_space_makes_photo_deletions_pending() -> None:
    farm = case_farm(rules=photo_only_from_sharepoint(recall=True, suppress_deletions=False))
    farm.engine.delete_connector_space("SPMA")
    assert farm.pending("ADMA")["anna"] == Delta("update", {"thumbnailPhoto": None, "telephoneNumber": None})


@pytest.mark.parametrize("options", [{"recall": True}, {"suppress_deletions": False}])
def test_either_safeguard_alone_keeps_photo_deletions_from_pending(options: dict[str, bool]) -> None:
    farm = case_farm(
        rules=photo_only_from_sharepoint(**{"recall": False, "suppress_deletions": True} | options)
    )
    farm.engine.delete_connector_space("SPMA")
    assert farm.pending("ADMA") == {}


def test_with_recall_the_directory_photo_takes_over_where_it_is_second() -> None:
    farm = case_farm(rules=field_rules(recall=True, suppress_deletions=False))
    farm.upload("anna", b"new photo")
    farm.run("SPMA", *DELTA)
    farm.engine.delete_connector_space("SPMA")
    assert "thumbnailPhoto" not in farm.pending("ADMA")["anna"].changes


def test_a_deletion_rule_naming_the_sharepoint_agent_empties_the_metaverse() -> None:
    farm = case_farm(rules=field_rules(deletion_rule=DeletionRule("declared-any", ("SPMA",))))
    farm.engine.delete_connector_space("SPMA")
    assert farm.engine.metaverse_count == 0
    assert farm.engine.counters("ADMA")["NumDisconnectors"] == 2


def test_the_field_deletion_rule_leaves_the_metaverse_alone() -> None:
    farm = case_farm()
    farm.engine.delete_connector_space("SPMA")
    assert farm.engine.metaverse_count == 2


def test_with_the_last_connector_a_declared_last_rule_deletes() -> None:
    farm = case_farm(rules=field_rules(deletion_rule=DeletionRule("declared-last", ("ADMA",))))
    farm.engine.delete_connector_space("SPMA")
    assert farm.engine.metaverse_count == 0


def test_code_that_names_the_sharepoint_agent_empties_the_metaverse() -> None:
    farm = case_farm(rules=field_rules(deletion_rule=DeletionRule("scripted", ("SPMA",))))
    farm.engine.delete_connector_space("SPMA")
    assert farm.engine.metaverse_count == 0


@pytest.mark.parametrize(
    ("action", "count"),
    [
        ("delete-object", "NumExportDelete"),
        ("make-normal-disconnector", "NumDisconnectors"),
        ("make-explicit-disconnector", "NumExplicitDisconnectors"),
    ],
)
def test_deprovisioning_does_what_the_agent_says(action: str, count: str) -> None:
    rules = field_rules(deletion_rule=DeletionRule("declared-any", ("SPMA",)))
    farm = case_farm(rules=rules.with_agent("ADMA", deprovisioning=action))
    farm.engine.delete_connector_space("SPMA")
    assert farm.engine.counters("ADMA")[count] == 2


def test_explicit_disconnectors_never_join_again() -> None:
    rules = field_rules(deletion_rule=DeletionRule("declared-any", ("SPMA",)))
    farm = case_farm(rules=rules.with_agent("ADMA", deprovisioning="make-explicit-disconnector"))
    farm.engine.delete_connector_space("SPMA")
    farm.run("ADMA", *FULL)
    assert farm.engine.counters("ADMA")["NumExplicitDisconnectors"] == 2


def test_a_deletion_outside_the_rules_recalls_nothing() -> None:
    farm = case_farm(
        rules=photo_only_from_sharepoint(recall=True, suppress_deletions=False), rules_at_deletion=False
    )
    farm.engine.delete_connector_space("SPMA")
    assert (farm.pending("ADMA"), farm.engine.metaverse_count) == ({}, 2)


def test_after_a_deletion_outside_the_rules_everybody_joins_again() -> None:
    farm = case_farm(rules_at_deletion=False)
    farm.upload("anna", b"new photo")
    fix(farm)
    assert farm.photo("anna") == small(b"new photo")
    assert farm.engine.counters("SPMA")["NumConnectors"] == 2


@pytest.mark.parametrize(("order", "photo"), [(("ADMA", "SPMA"), b"new"), (("SPMA", "ADMA"), b"old")])
def test_with_equal_precedence_the_agent_that_comes_last_wins(order: tuple[str, ...], photo: bytes) -> None:
    rules = replace(field_rules(), equal_precedence=frozenset({"photo"}))
    farm = case_farm(rules=rules)
    farm.upload("anna", b"new photo")
    farm.engine.delete_connector_space("SPMA")
    farm.run("SPMA", "FullImport")
    for agent in order:
        farm.run(agent, "FullSync")
    farm.run("ADMA", "Export")
    assert photo in farm.photo("anna")


# What provisioning adds without knowing the anchor


def farm_with_doubles(**options: bool) -> MemoryFarm:
    """Return a farm on which a synchronisation has added a second SharePoint object per person."""
    rules = field_rules(**options)
    assert rules.provisioning
    farm = case_farm(rules=replace(rules, provisioning=replace(rules.provisioning, knows_anchor=False)))
    farm.engine.delete_connector_space("SPMA")
    farm.run("ADMA", "FullSync")
    return farm


def test_a_double_keeps_the_real_object_from_joining() -> None:
    farm = farm_with_doubles()
    farm.run("SPMA", *FULL)
    counts = farm.engine.counters("SPMA")
    assert (counts["NumDisconnectors"], counts["NumExportAdd"]) == (2, 2)


def test_a_double_keeps_a_recalled_photo_away() -> None:
    farm = farm_with_doubles(recall=True, suppress_deletions=False, directory_second=False)
    farm.run("SPMA", *FULL)
    farm.run("ADMA", "Export")
    assert farm.photo("anna") is None


def test_an_object_that_was_added_has_its_anchor_from_then_on() -> None:
    farm = farm_with_doubles()
    farm.sharepoint.drop("anna")
    farm.run("SPMA", "Export", "FullImport", "FullSync")
    states = {
        view.anchor: bool(view.metaverse_guid)
        for view in farm.engine.connector_space_objects()
        if view.agent == "SPMA" and "anna" in view.anchor
    }
    assert states == {"anna": True}


@pytest.mark.parametrize(("provisioning", "adds"), [(True, 2), (False, 0)])
def test_provisioning_fills_an_emptied_space_with_pending_adds(provisioning: bool, adds: int) -> None:
    farm = case_farm()
    farm.engine.set_provisioning(provisioning)
    farm.engine.delete_connector_space("SPMA")
    farm.run("ADMA", "FullSync")
    assert farm.engine.counters("SPMA")["NumExportAdd"] == adds


def test_an_export_of_needless_adds_collides_with_the_existing_profiles() -> None:
    farm = case_farm()
    farm.engine.delete_connector_space("SPMA")
    farm.run("ADMA", "FullSync")
    assert farm.run("SPMA", "Export") == ["completed-export-errors"]
    details = fromstring(farm.engine.runs("SPMA")[0].details_xml())
    assert {error.text for error in details.iter("error-type")} == {"cd-existing-object"}


def test_provisioning_onto_an_unjoined_object_fails_that_persons_synchronisation() -> None:
    farm = case_farm()
    farm.engine.delete_connector_space("SPMA")
    farm.run("SPMA", "FullImport")
    assert farm.run("ADMA", "FullSync") == ["completed-sync-errors"]


def test_a_person_gone_from_the_directory_leaves_the_metaverse_and_is_deleted_in_sharepoint() -> None:
    farm = case_farm()
    farm.directory.drop("anna")
    farm.run("ADMA", *FULL)
    assert farm.engine.counters("SPMA")["NumExportDelete"] == 1
    farm.run("SPMA", "Export", *DELTA)
    assert "anna" not in farm.sharepoint.objects
    assert farm.engine.counters("SPMA")["NumCSObjects"] == 1


# Export and confirmation


def test_an_export_awaits_its_confirming_import() -> None:
    farm = case_farm()
    farm.upload("berta", b"first photo")
    farm.run("SPMA", *DELTA)
    farm.run("ADMA", "Export")
    waiting = [view for view in farm.engine.connector_space_objects() if view.unconfirmed_export_xml]
    assert [view.anchor for view in waiting] == ["berta"]
    farm.run("ADMA", "DeltaImport")
    assert not any(view.unconfirmed_export_xml for view in farm.engine.connector_space_objects())


def test_an_export_that_did_not_last_is_reported_and_asserted_again() -> None:
    farm = case_farm()
    farm.upload("berta", b"first photo")
    farm.run("SPMA", *DELTA)
    farm.run("ADMA", "Export")
    farm.directory.put("berta", thumbnailPhoto=b"somebody else's")
    assert farm.run("ADMA", *DELTA) == ["completed-warnings", "success"]
    details = fromstring(farm.engine.runs("ADMA")[1].details_xml())
    assert details.findtext(".//import-error/error-type") == "exported-change-not-reimported"
    assert farm.pending("ADMA")["berta"].changes == {"thumbnailPhoto": small(b"first photo")}


def test_a_failed_export_stays_pending_and_counts_its_retries() -> None:
    farm = case_farm()
    farm.upload("berta", b"first photo")
    farm.run("SPMA", *DELTA)
    farm.directory.failures["berta"] = "permission-issue"
    assert farm.run("ADMA", "Export", "Export") == ["completed-export-errors", "completed-export-errors"]
    error = fromstring(farm.engine.runs("ADMA")[0].details_xml()).find(".//export-error")
    assert error is not None
    assert (error.findtext("error-type"), error.findtext("retry-count")) == ("permission-issue", "1")
    assert list(farm.pending("ADMA")) == ["berta"]


def test_a_photo_changed_in_the_directory_is_put_back() -> None:
    farm = case_farm()
    farm.directory.put("anna", thumbnailPhoto=b"drifted")
    farm.run("ADMA", *FULL, "Export")
    assert farm.photo("anna") == b"old photo"


def test_a_moved_account_is_renamed_and_keeps_its_join() -> None:
    farm = case_farm()
    farm.directory.parent = "OU=Elsewhere,DC=contoso,DC=example"
    farm.run("ADMA", "FullImport")
    assert farm.engine.runs("ADMA")[0].steps[0].counters.staging["stage-rename"] == 2
    farm.run("ADMA", "FullSync")
    assert {view.dn for view in farm.engine.connector_space_objects() if view.agent == "ADMA"} == {
        "CN=anna,OU=Elsewhere,DC=contoso,DC=example",
        "CN=berta,OU=Elsewhere,DC=contoso,DC=example",
    }
    assert farm.engine.counters("ADMA")["NumConnectors"] == 2


def test_a_filtered_object_stays_a_filtered_disconnector() -> None:
    farm = MemoryFarm(
        field_rules(provisioning=False).with_agent("ADMA", connector_filter=(("sAMAccountName", "svc"),))
    )
    farm.hire("svc")
    farm.run("ADMA", *FULL)
    assert farm.engine.counters("ADMA")["NumFilteredDisconnectors"] == 1


def test_two_profiles_with_one_user_name_leave_the_second_a_disconnector() -> None:
    farm = case_farm()
    farm.sharepoint.put("anna2", UserName="anna")
    farm.run("SPMA", *FULL)
    assert farm.engine.counters("SPMA")["NumDisconnectors"] == 1


# Speed


def test_five_thousand_people_are_imported_and_synchronised_within_seconds() -> None:
    farm = MemoryFarm()
    for number in range(5000):
        farm.hire(f"user{number}", b"photo" * 100)
        farm.enrol(f"user{number}", WorkPhone="1")
    started = perf_counter()
    farm.run("ADMA", *FULL)
    farm.run("SPMA", *FULL)
    assert perf_counter() - started < 5
