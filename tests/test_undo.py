"""What became of photos since a fix, and what would go back."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import people
import pytest
from photo_case import EXPORTED, PhotoCase

from kit import backup, undo
from kit.errors import CaseError, OutputError, ParameterError
from kit.lab import directory as embedded

OTHER = people.photo(98)


@pytest.fixture
def case(tmp_path: Path) -> Iterator[PhotoCase]:
    server = embedded.start(people.DOMAIN, people.entries(), people.ACCOUNTS, tmp_path / "directory")
    opened = PhotoCase(tmp_path, server)
    yield opened
    opened.directory.close()
    server.stop()


def test_nobody_has_changed_where_the_fix_exported_nothing(case: PhotoCase) -> None:
    case.fix()
    assert case.classes() == {}


def test_whoever_holds_what_was_exported_was_changed_by_the_fix(case: PhotoCase) -> None:
    case.fix("staff01", "gone")
    assert case.classes() == {"staff01": "changed_by_fix", "gone": "changed_by_fix"}


def test_whoever_holds_something_else_was_changed_since(case: PhotoCase) -> None:
    case.fix("staff01")
    case.change("staff01", OTHER)
    case.change("staff02", OTHER)
    assert case.classes() == {"staff01": "changed_since", "staff02": "changed_since"}


def test_another_persons_export_does_not_count(case: PhotoCase) -> None:
    case.fix("staff01")
    case.change("staff02", EXPORTED)
    assert case.classes()["staff02"] == "changed_since"


def test_a_photo_that_is_gone_since_the_fix_is_missing(case: PhotoCase) -> None:
    case.fix()
    case.change("staff01", None)
    case.seen("staff01", None)
    assert case.classes() == {"staff01": "missing"}


def test_a_photo_that_was_there_after_the_fix_was_taken_away_since(case: PhotoCase) -> None:
    case.fix()
    case.seen("staff01", people.photo(1))
    case.change("staff01", None)
    assert case.classes() == {"staff01": "changed_since"}


def test_a_photo_that_was_put_back_was_taken_away_since(case: PhotoCase) -> None:
    case.fix()
    case.change("staff01", None)
    case.restore()
    case.change("staff01", None)
    assert case.classes() == {"staff01": "changed_since"}


def test_somebody_who_was_never_read_has_no_backup(case: PhotoCase, tmp_path: Path) -> None:
    case.fix("staff01")
    (tmp_path / "contoso" / "before" / "photos.sqlite").unlink()
    assert set(case.classes().values()) == {"no_backup"}


def test_a_damaged_copy_is_no_backup(case: PhotoCase) -> None:
    case.fix("staff01")
    with case.folder.store("before") as store:
        store._connection.execute("UPDATE photos SET content = x'00' WHERE content = ?", (people.photo(1),))
    assert case.classes() == {"staff01": "no_backup"}


def test_somebody_who_is_not_in_the_directory_is_gone(case: PhotoCase) -> None:
    case.fix()
    found = case.people.copy()
    found.loc[found["account"] == "contoso\\staff01", "person"] = "00000000-0000-0000-0000-000000000001"
    case.folder.save_inventory(found, "before")
    assert case.classes() == {"staff01": "gone"}


def chosen(case: PhotoCase, *accounts: str) -> set[str]:
    planned = case.plan(*accounts)
    return set(planned.loc[planned["chosen"], "account"].str.split("\\").str[-1])


def test_what_others_changed_since_is_chosen_by_name_only(case: PhotoCase) -> None:
    case.fix("staff01")
    case.change("staff02", OTHER)
    case.change("staff03", None)
    assert chosen(case) == {"staff01", "staff03"}
    assert chosen(case, "CONTOSO\\Staff02") == {"staff02"}


def test_somebody_named_whose_photo_is_the_same_is_not_chosen(case: PhotoCase) -> None:
    case.fix("staff01")
    assert chosen(case, "staff02") == set()


def test_only_those_named_are_in_the_plan(case: PhotoCase) -> None:
    case.fix("staff01", "staff02")
    assert list(case.plan("staff02")["account"]) == ["contoso\\staff02"]


@pytest.mark.parametrize(
    "name", ["contoso\\anna.m", "Anna.M", " anna@contoso.example", "Anna.M@contoso.example", "person"]
)
def test_people_are_found_by_every_name_they_sign_in_with(case: PhotoCase, name: str) -> None:
    case.fix()
    wanted = case.person("anna.m")
    assert list(case.plan(wanted if name == "person" else name)["person"]) == [wanted]


@pytest.mark.parametrize("name", ["nobody", "", "contoso\anna.m", "staff0"])
def test_a_name_that_is_nobodys_is_refused(case: PhotoCase, name: str) -> None:
    case.fix()
    with pytest.raises(ParameterError) as refused:
        case.plan("staff01", name)
    assert str(refused.value).startswith(
        f"account {name!r} in 'accounts': nobody is called so; give an account"
    )


def test_a_name_of_two_people_is_refused(case: PhotoCase) -> None:
    case.fix()
    case.folder.save_inventory(case.people.assign(mail="team@contoso.example"), "before")
    with pytest.raises(
        ParameterError, match=r"'team@contoso.example' in 'accounts': \d+ people are called so"
    ):
        case.plan("team@contoso.example")


def test_the_plan_says_what_is_there_and_what_goes_back(case: PhotoCase) -> None:
    case.fix("staff01", photo=OTHER + b"longer")
    row = case.plan("staff01").iloc[0]
    was, now = people.photo(1), OTHER + b"longer"
    assert (row["now_bytes"], row["back_bytes"]) == (len(now), len(was))
    assert (row["now_sha256"], row["back_sha256"]) == tuple(undo.Held("", one).sha256 for one in (now, was))


def test_the_plan_has_its_columns_and_types_even_where_nobody_is_in_it(case: PhotoCase) -> None:
    case.fix()
    case.folder.save_inventory(case.people.head(0), "before")
    assert case.plan().dtypes.astype(str).to_dict() == undo.COLUMNS


@pytest.mark.parametrize(("account", "writable"), [(people.WRITER, True), (people.READER, False)])
def test_the_plan_says_what_the_account_may_write(case: PhotoCase, account, writable: bool) -> None:
    case.fix("staff01")
    with case.open(account) as directory:
        assert undo.plan(case.folder, directory, ["staff01"])["writable"].tolist() == [writable]


def test_a_plan_writes_nothing(case: PhotoCase) -> None:
    case.fix("staff01")
    before = case.directory.highest_usn()
    case.plan()
    assert case.directory.highest_usn() == before


# What the photos go back to.


def test_they_go_back_to_what_was_read_last_before_the_fix(case: PhotoCase) -> None:
    case.change("staff01", OTHER)
    case.seen("staff01", OTHER, "before")
    case.fix("staff01")
    case.seen("staff01", EXPORTED, "before")
    assert case.plan("staff01")["back_sha256"].tolist() == [undo.Held("", OTHER).sha256]


def test_a_time_may_be_given_instead(case: PhotoCase) -> None:
    case.fix("staff01")
    case.seen("staff01", EXPORTED)
    time = datetime.now(UTC)
    case.change("staff01", OTHER)
    planned = case.plan("staff01", as_of=time)
    assert planned["back_sha256"].tolist() == [undo.Held("", EXPORTED).sha256]


def test_what_a_restore_has_overwritten_can_be_put_back(case: PhotoCase) -> None:
    case.fix("staff01")
    case.restore()
    planned = case.plan("staff01", as_of=datetime.now(UTC))
    assert planned["back_sha256"].tolist() == [undo.Held("", EXPORTED).sha256]


def test_without_a_fix_a_time_must_be_given(case: PhotoCase) -> None:
    with pytest.raises(ParameterError, match="as_of is empty: in this case no fix was begun"):
        case.plan()


def test_a_damaged_list_of_exports_is_named(case: PhotoCase) -> None:
    case.fix("staff01")
    (case.folder.path / "exports.parquet").write_bytes(b"nothing of the kind")
    with pytest.raises(CaseError, match=r"exports.parquet' cannot be read"):
        case.plan()


# What MIM will do about it.


def test_pictures_of_sharepoint_that_differ_are_warned_of(case: PhotoCase) -> None:
    hashes = {"contoso\\staff01": "0" * 64, "contoso\\staff02": undo.Held("", people.photo(2)).sha256}
    found = case.people.assign(sharepoint_sha256=case.people["account"].map(hashes).fillna(""))
    case.folder.save_inventory(found, "before")
    case.fix("staff01", "staff02", "staff03")
    told = undo.warning(case.plan(), "ADMA")
    assert told.startswith(
        "SharePoint shows another picture of 1 of the 3 people, and so does MIM's metaverse"
    )


def test_the_pairs_show_what_is_there_beside_what_goes_back(case: PhotoCase) -> None:
    case.fix("staff01", "gone")
    shown = undo.pairs(case.plan(), case.folder, case.directory, 2)
    assert {(pair.left, pair.right) for pair in shown} == {(EXPORTED, people.photo(1)), (EXPORTED, None)}


def test_a_hash_that_nothing_was_kept_of_is_an_error(case: PhotoCase) -> None:
    with backup.opened(case.folder) as kept, pytest.raises(OutputError, match="is not in"):
        kept.photo("0" * 64)
