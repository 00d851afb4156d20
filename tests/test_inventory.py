from datetime import UTC, datetime

import cases
import pandas as pd

from kit import schema
from kit.inventory import conclusion, join, summary

PICTURE = "https://sharepoint.contoso.example/User%20Photos/anna_MThumb.jpg"


def user(name, **values):
    default = {
        "person": f"guid-{name}",
        "account": f"contoso\\{name}",
        "display_name": name.title(),
        "enabled": True,
    }
    return {**default, "in_directory": True, **values}


def profile(name, record=1, **values):
    default = {"account": f"contoso\\{name}" if name else "", "record": record, "in_sharepoint": True}
    return {**default, "profile_account": f"i:0#.w|contoso\\{name}", **values}


def row(users, profiles):
    frame = join(users, profiles)
    assert len(frame) == 1
    return frame.iloc[0]


def test_both_systems_rows_of_one_account_are_one_person():
    found = row([user("anna")], [profile("anna", picture_url=PICTURE)])
    assert (found["person"], found["in_directory"], found["in_sharepoint"]) == ("guid-anna", True, True)
    assert found["picture_url"] == PICTURE


def test_somebody_in_sharepoint_only_is_known_by_the_account():
    found = row([], [profile("berta", display_name="Berta")])
    assert (found["person"], found["in_directory"], found["display_name"]) == (
        "contoso\\berta",
        False,
        "Berta",
    )


def test_who_owns_the_picture_and_the_work_address_are_told():
    found = row([user("anna")], [profile("anna", exchange_sync_state=1, work_email="anna@contoso.example")])
    assert (found["exchange_sync_state"], found["work_email"]) == (1, "anna@contoso.example")


def test_somebody_in_the_directory_only_has_no_profile():
    found = row([user("carl")], [])
    assert (found["in_sharepoint"], found["profile_account"]) == (False, "")


def test_what_sharepoint_does_not_know_does_not_empty_what_the_directory_knows():
    found = row([user("anna", department="Sales")], [profile("anna", display_name="", department="")])
    assert (found["display_name"], found["department"]) == ("Anna", "Sales")


def test_a_second_profile_of_an_account_is_told_and_the_first_counts():
    found = row(
        [user("anna")], [profile("anna", picture_url=PICTURE), profile("anna", 2, picture_url="other")]
    )
    assert (found["error_kind"], found["picture_url"]) == ("Duplicate", PICTURE)
    assert found["error"] == "SharePoint has more than one profile of this account"


def test_profiles_without_an_account_stay_apart():
    broken = {"error_kind": "Protocol", "error": "illegal XML"}
    found = join([], [profile("", 7, **broken), profile("", 8, **broken)])
    assert found["account"].tolist() == ["profile record 7", "profile record 8"]
    assert found["error_kind"].tolist() == ["Protocol", "Protocol"]


def test_an_unreadable_profile_is_that_persons_error():
    found = row([user("anna")], [profile("anna", error_kind="Protocol", error="illegal XML")])
    assert (found["error_kind"], found["error"]) == ("Protocol", "illegal XML")


def test_people_are_ordered_by_account():
    found = join([user("carl"), user("anna")], [profile("berta")])
    assert found["account"].tolist() == ["contoso\\anna", "contoso\\berta", "contoso\\carl"]


def test_connector_spaces_are_not_known_yet():
    assert row([user("anna")], [])[["in_directory_connector_space", "joined"]].isna().all()


def test_times_stay_utc():
    moment = datetime(2024, 5, 1, tzinfo=UTC)
    found = row([user("anna")], [profile("anna", picture_timestamp=moment)])
    assert found["picture_timestamp"] == pd.Timestamp(moment)


def test_nobody_is_an_empty_inventory():
    found = join([], [])
    assert (len(found), found.dtypes.astype(str).to_dict()) == (0, schema.INVENTORY)


def people():
    return cases.people(
        {"account": "anna", "joined": True},
        {"account": "berta", "joined": False},
        {"account": "carl", "in_sharepoint": False},
        {"account": "dora", "in_directory": False, "error_kind": "Protocol"},
    )


def test_people_are_counted_by_where_they_are():
    assert dict(summary(people()).itertuples(index=False)) == {
        "in Active Directory and SharePoint": 2,
        "in Active Directory only": 1,
        "in SharePoint only": 1,
        "joined in the metaverse": 1,
        "could not be read": 1,
    }


def test_nobody_is_counted_too():
    assert summary(join([], []))["people"].tolist() == [0, 0, 0, 0, 0]


def test_the_conclusion_counts_who_can_have_drifted():
    assert conclusion(people()) == (
        "2 of 4 people are in both systems and can have drifted; of 2 looked up in the connector spaces "
        "1 are not joined, so no run profile moves their photos."
    )


def test_people_without_an_account_are_not_one_person():
    contacts = [user("", person=f"guid-{number}", account="") for number in range(3)]
    assert join(contacts, [])["person"].tolist() == ["guid-0", "guid-1", "guid-2"]


def test_a_second_user_of_an_account_is_told_and_the_first_counts():
    found = row([user("anna"), user("anna", person="guid-other")], [])
    assert (found["person"], found["error_kind"]) == ("guid-anna", "Duplicate")
    assert found["error"] == "the directory has two users of this account"
