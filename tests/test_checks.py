import cases
import pandas as pd
import pytest

from kit.checks import COLUMNS, of_photos, of_steps

SAME = "everybody in sync before has the same bytes in Active Directory"
OUTSIDE = "nobody outside the plan has another photo in Active Directory"
LOST = "nobody has lost a photo in Active Directory"
STALE = "nobody is stale"
AGAIN = "everybody measured before was measured again"

ANNA = {"account": "anna", "verdict": "stale", "directory_sha256": "old", "sharepoint_sha256": "new"}
CARL = {"account": "carl", "verdict": "in_sync", "directory_sha256": "c", "sharepoint_sha256": "c"}
EMIL = {"account": "emil", "verdict": "uncertain", "directory_sha256": "e", "sharepoint_sha256": "f"}
RITA = {"account": "rita", "verdict": "in_sync", "directory_sha256": "r", "sharepoint_sha256": "r again"}
FIXED = {**ANNA, "verdict": "in_sync", "directory_sha256": "new"}


def results(before, after):
    found = of_photos(cases.people(*before), cases.people(*after))
    return dict(zip(found["check"], found["result"], strict=True))


def failed(before, after):
    return [check for check, result in results(before, after).items() if result != "ok"]


def test_a_fix_that_held_fails_no_check():
    assert failed([ANNA, CARL, EMIL], [FIXED, CARL, EMIL]) == []


def test_every_check_is_made():
    assert list(results([ANNA], [FIXED])) == [SAME, OUTSIDE, LOST, STALE, AGAIN]


@pytest.mark.parametrize(
    ("after", "check"),
    [
        ([FIXED, {**CARL, "directory_sha256": "other"}, EMIL], SAME),
        ([FIXED, CARL, {**EMIL, "directory_sha256": "f"}], OUTSIDE),
        ([ANNA, CARL, EMIL], STALE),
        ([FIXED, CARL], AGAIN),
    ],
)
def test_what_went_wrong_fails_its_check(after, check):
    assert failed([ANNA, CARL, EMIL], after) == [check]


def test_a_lost_photo_fails_two_checks():
    assert failed([CARL], [{**CARL, "directory_sha256": "", "verdict": "missing_in_ad"}]) == [SAME, LOST]


def test_a_planned_person_who_lost_the_photo_is_seen():
    assert LOST in failed([ANNA], [{**ANNA, "directory_sha256": "", "verdict": "missing_in_ad"}])


def test_a_re_encoded_photo_is_not_harm():
    assert failed([RITA], [{**RITA, "directory_sha256": "r again"}]) == []


def test_offenders_are_named_and_the_rest_counted():
    before = [{**CARL, "account": f"person{number}"} for number in range(7)]
    found = of_photos(
        cases.people(*before), cases.people(*({**row, "directory_sha256": "x"} for row in before))
    )
    first = "person0, person1, person2, person3, person4"
    assert found.set_index("check")["detail"][SAME] == f"7: {first} and 2 more"


def test_photos_before_against_themselves_only_show_who_is_stale():
    assert failed([ANNA, CARL], [ANNA, CARL]) == [STALE]


def steps(*results):
    kinds = ["verify", "gate", "run", "verify"]
    rows = [
        {
            "step": number,
            "kind": kind,
            "expected": f"what {number} expects",
            "result": result,
            "detail": "seen",
        }
        for number, (kind, result) in enumerate(zip(kinds, results, strict=True), 1)
    ]
    return pd.DataFrame(rows)


def test_a_fix_that_was_not_begun_is_not_checked():
    found = of_steps(steps(*["not run"] * 4))
    assert (len(found), found.dtypes.astype(str).to_dict()) == (0, COLUMNS)


def test_verifications_and_the_whole_are_checked():
    assert of_steps(steps(*["ok"] * 4)).to_numpy().tolist() == [
        ["step 1: what 1 expects", "ok", "seen"],
        ["step 4: what 4 expects", "ok", "seen"],
        ["every step of the plan ended well", "ok", "4 of 4 steps ended well"],
    ]


@pytest.mark.parametrize(
    ("people", "result", "detail"),
    [
        ([9, 0, 0], "ok", ""),
        ([8, 1, 0], "failed", "1 not written"),
        ([7, 1, 2], "failed", "1 not written, 2 late"),
    ],
)
def test_exports_are_checked_where_they_were_looked_at(people, result, detail):
    told = pd.DataFrame({"outcome": ["written", "not written", "late"], "people": people})
    found = of_steps(steps(*["ok"] * 4), told).set_index("check")
    row = found.loc["every exported photo was written and confirmed"]
    assert (row["result"], row["detail"]) == (result, detail)


def test_exports_that_were_not_looked_at_are_not_checked():
    none = pd.DataFrame({"outcome": [], "people": []})
    assert len(of_steps(steps(*["ok"] * 4), none)) == len(of_steps(steps(*["ok"] * 4)))


def test_a_fix_that_stopped_fails():
    assert of_steps(steps("ok", "ok", "stopped", "not run"))["result"].tolist() == ["ok", "failed", "failed"]
