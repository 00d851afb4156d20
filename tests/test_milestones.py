from datetime import UTC, datetime

import cases
import pandas as pd
import pytest

from kit import milestones, runs
from kit.changes import Change
from kit.replication import CHANGES
from kit.schema import TRACE, conform
from kit.settings import RunProfiles

UPLOAD = datetime(2024, 5, 10, 12, tzinfo=UTC)


def day(number):
    return datetime(2024, 5, number, 8, tzinfo=UTC)


def history(*ran, agent="SPMA"):
    """Return runs given by day, profile and status."""
    rows = [
        {
            "MaName": agent,
            "RunNumber": str(number),
            "RunProfile": profile,
            "RunStatus": status,
            "RunStartTime": runs.write_time(day(when)),
            "RunEndTime": runs.write_time(day(when)),
        }
        for number, (when, profile, status) in enumerate(ran, 1)
    ]
    return runs.tabulate(rows)


def measured(**given):
    people = cases.people({"account": "contoso\\anna", "picture_timestamp": UPLOAD})
    options = {
        "history": None,
        "steps": None,
        "run_profiles": RunProfiles(),
        "changes": (),
        "written": None,
        **given,
    }
    return milestones.of(people, directory_agent="ADMA", sharepoint_agent="SPMA", **options).iloc[0]


def change(when, property_name="PictureURL", account="contoso\\anna"):
    kinds = frozenset({"Modify"}), frozenset({"SingleValueProperty"})
    return Change(1, account, *kinds, when, property_name, "")


def test_the_last_run_that_ended_well_counts():
    ran = [
        (3, "FullImport", "success"),
        (5, "FullImport", "completed-warnings"),
        (9, "FullImport", "stopped-server"),
        (6, "DeltaImport", "success"),
    ]
    found = measured(history=history(*ran))
    assert (found["full_import_at"], found["delta_import_at"]) == (day(5), day(6))


def test_profiles_are_known_by_the_names_given_in_any_case():
    named = RunProfiles(full_import="everything")
    found = measured(history=history((5, "EVERYTHING", "success")), run_profiles=named)
    assert found["full_import_at"] == day(5)


def test_a_run_is_of_the_agent_in_question():
    found = measured(history=history((5, "FullImport", "success"), (6, "Export", "success"), agent="ADMA"))
    assert (found["full_import_at"], found["exported_at"]) == (pd.NaT, day(6))


def test_where_steps_are_known_they_count_and_not_the_profile_name():
    steps = pd.DataFrame(
        {
            "agent": ["SPMA"],
            "run_number": [1],
            "step_type": ["full import and full sync"],
            "result": ["success"],
            "started": [pd.Timestamp(day(5))],
        }
    )
    ran = history((5, "DeltaImport", "success"), (3, "DeltaImport", "success"))
    found = measured(history=ran, steps=steps)
    assert (found["full_import_at"], found["delta_import_at"]) == (day(5), day(3))


@pytest.mark.parametrize(
    ("days", "since"), [((3, 12), "True"), ((3,), "False"), ((12,), "True"), ((), "<NA>")], ids=str
)
def test_whether_an_import_began_after_the_upload(days, since):
    found = measured(history=history(*((when, "FullImport", "success") for when in days)))
    assert str(found["full_import_since"]) == since


def test_a_history_that_begins_after_the_upload_does_not_say_that_no_import_ran():
    found = measured(history=history((12, "FullImport", "success")))
    assert (found["full_import_since"], found["delta_import_since"]) == (True, pd.NA)


def test_the_last_change_of_the_picture_counts():
    changes = [change(day(4)), change(day(7), "SPS-PictureTimestamp"), change(day(9), "WorkPhone")]
    changes += [change(day(8), account="contoso\\berta"), change(None)]
    assert measured(changes=changes)["change_logged_at"] == day(7)


def test_the_directory_says_when_the_photo_was_written():
    written = conform(pd.DataFrame({"person": ["contoso\\anna"], "changed_at": [day(4)]}), CHANGES)
    assert measured(written=written)["directory_changed_at"] == day(4)


def test_what_nobody_looked_at_is_unknown():
    found = measured()
    assert found.isna().all()
    assert list(found.index) == [name for name in TRACE if name in found.index]


def test_an_import_that_could_not_read_some_has_read_the_others():
    ran = history((11, "FullImport", "completed-discovery-errors"))
    found = measured(history=ran)

    assert (found["full_import_at"], found["full_import_since"]) == (pd.Timestamp(day(11)), True)


def test_an_export_is_never_judged_by_what_an_import_could_not_read():
    ran = history((11, "Export", "completed-discovery-errors"), agent="ADMA")
    assert pd.isna(measured(history=ran)["exported_at"])
