"""Who wrote a photo last: stamps read over LDAP from both directories, judged against a run history."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

import ldap3
import pandas as pd
import people
import pytest
from practice import Practice

from kit import sources
from kit.directory import Directory
from kit.endpoint import Endpoint
from kit.errors import NotFoundError, ParameterError, ProtocolError
from kit.forest import Forest
from kit.lab import directory as embedded
from kit.lab import farm as lab
from kit.lab import samba
from kit.lab.agents import DirectoryWriter
from kit.lab.domain import Domain, Entry
from kit.lab.portraits import portrait
from kit.replication import (
    CHANGES,
    AttributeChange,
    UnreadableChange,
    conclusion,
    judge,
    parse_metadata,
    photo_changes,
    writers,
)
from kit.stamps import parse_stamps

ANNA = f"CN=Müller\\, Anna,OU=Staff,{people.BASE}"
NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
CONTROLLER = "CN=NTDS Settings,CN=DC1,CN=Servers,CN=Berlin,CN=Sites,CN=Configuration,DC=contoso,DC=example"
INVOCATION = "8ee69288-cf81-4b36-898c-f4bf3de88cab"
NOBODY = "00000000-0000-0000-0000-000000000000"


def entry(**fields):
    names = {
        "pszAttributeName": "thumbnailPhoto",
        "dwVersion": "3",
        "ftimeLastOriginatingChange": "2026-01-31T12:00:00Z",
        "uuidLastOriginatingDsaInvocationID": INVOCATION,
        "usnOriginatingChange": "4711",
        "usnLocalChange": "815",
        "pszLastOriginatingDsaDN": CONTROLLER,
        **fields,
    }
    lines = [f"\t<{name}>{value}</{name}>\n" for name, value in names.items() if value is not None]
    return f"<DS_REPL_ATTR_META_DATA>\n{''.join(lines)}</DS_REPL_ATTR_META_DATA>\n\0".encode()


def only(changes):
    (change,) = changes
    return change


def test_an_entry_as_windows_writes_it_is_read_with_every_field():
    expected = AttributeChange("anna", "thumbnailPhoto", 3, NOON, CONTROLLER, INVOCATION, 4711)
    assert only(parse_metadata(entry(), "anna")) == expected


def test_entries_in_one_value_are_all_read():
    value = entry(pszAttributeName="sn") + entry()
    assert [change.attribute for change in parse_metadata(value)] == ["sn", "thumbnailPhoto"]


@pytest.mark.parametrize("written", ["R&D", "R&amp;D"])
def test_an_ampersand_in_a_controllers_name_is_read_escaped_or_not(written):
    value = entry(pszLastOriginatingDsaDN=CONTROLLER.replace("Berlin", written))
    assert only(parse_metadata(value)).controller == CONTROLLER.replace("Berlin", "R&D")


def test_a_time_without_a_zone_is_utc():
    assert only(parse_metadata(entry(ftimeLastOriginatingChange="2026-01-31T12:00:00"))).time == NOON


def test_a_controller_that_is_gone_is_named_by_its_invocation_id():
    assert only(parse_metadata(entry(pszLastOriginatingDsaDN=""))).controller_name == INVOCATION


def test_a_deleted_controllers_name_is_still_read():
    deleted = CONTROLLER.replace("Settings", f"Settings\\0ADEL:{INVOCATION}")
    assert only(parse_metadata(entry(pszLastOriginatingDsaDN=deleted))).controller_name == "DC1"


@pytest.mark.parametrize(
    ("value", "cause"),
    [
        (b"", "no DS_REPL_ATTR_META_DATA element"),
        (entry()[:80], "no DS_REPL_ATTR_META_DATA element"),
        (entry(pszAttributeName=None), "it has no pszAttributeName"),
        (entry(dwVersion="three"), "'three'"),
        (entry(dwVersion="4294967296"), "'4294967296' is no version"),
        (entry(dwVersion="-1"), "'-1' is no version"),
        (entry(ftimeLastOriginatingChange="noon"), "'noon'"),
        (entry(ftimeLastOriginatingChange="0001-01-01T00:00:00+14:00"), "out of range"),
    ],
)
def test_what_is_no_metadata_is_refused_with_the_reason(value, cause):
    with pytest.raises(ProtocolError, match="replication metadata") as error:
        list(parse_metadata(value))
    assert cause in error.value.cause


def binary(attribute=0x160023, format_number=1, count=1, seconds=None):
    if seconds is None:
        seconds = int((NOON - datetime(1601, 1, 1, tzinfo=UTC)).total_seconds())
    header = struct.pack("<4I", format_number, 0, count, 0)
    return header + struct.pack("<2IQ16s2Q", attribute, 3, seconds, UUID(INVOCATION).bytes_le, 4711, 815)


def test_a_binary_stamp_is_read_with_every_field_it_has():
    expected = AttributeChange("anna", "thumbnailPhoto", 3, NOON, "", INVOCATION, 4711)
    assert only(parse_stamps(binary(), "anna")) == expected


def test_binary_stamps_of_other_attributes_are_left_out():
    assert list(parse_stamps(binary(attribute=3))) == []


@pytest.mark.parametrize(
    ("value", "cause"),
    [
        (b"", "format 1"),
        (binary(format_number=2), "format 1"),
        (binary(count=2), "cannot hold 2 attributes"),
        (binary(seconds=1 << 40), "1099511627776 seconds since 1601 are no date"),
        (binary(seconds=(1 << 64) - 1), "18446744073709551615 seconds since 1601 are no date"),
    ],
)
def test_what_is_no_binary_metadata_is_refused_with_the_reason(value, cause):
    with pytest.raises(ProtocolError, match=cause):
        list(parse_stamps(value))


def test_a_time_in_another_zone_is_told_in_utc():
    time = only(parse_metadata(entry(ftimeLastOriginatingChange="2026-01-31T13:00:00+01:00"))).time
    assert f"{time:%H:%M %Z}" == "12:00 UTC"


def start_embedded(folder):
    return embedded.start(people.DOMAIN, people.entries(), people.ACCOUNTS, folder)


def start_samba(folder):
    if reason := samba.available():
        if os.environ.get("CI"):
            pytest.fail(f"the pipeline must test against Samba: {reason}")
        pytest.skip(reason)
    return samba.start(people.DOMAIN, people.entries(), people.ACCOUNTS, folder)


@pytest.fixture(scope="module", params=[start_embedded, start_samba], ids=["embedded", "samba"])
def server(request, tmp_path_factory):
    """Give a directory; every test writes another person's photo."""
    running = request.param(tmp_path_factory.mktemp("directory"))
    yield running
    running.stop()


@pytest.fixture(scope="module")
def lone(tmp_path_factory):
    """Give an embedded directory, for what only it can be told to do."""
    running = start_embedded(tmp_path_factory.mktemp("directory"))
    yield running
    running.stop()


def endpoint(server, account, domain="CONTOSO"):
    return Endpoint(server.url, f"{domain}\\{account.name}", account.password, ca_file=server.ca_file)


def connect(server, account=people.READER, domain="CONTOSO"):
    return Directory(endpoint(server, account, domain))


def find(server, account_name):
    with connect(server) as directory:
        return only(directory.users(extra_filter=f"(sAMAccountName={account_name})"))


def last_change(server, account_name):
    with connect(server) as directory:
        return only(photo_changes(directory, [find(server, account_name).person]))


def write(server, account_name, photo):
    with DirectoryWriter(endpoint(server, people.WRITER)) as directory:
        directory.replace(find(server, account_name).distinguished_name, "thumbnailPhoto", photo)


def test_a_photo_that_came_with_the_account_was_written_once(server):
    assert last_change(server, "staff00").version == 1


def test_the_time_of_a_change_is_the_servers(server):
    before = datetime.now(UTC) - timedelta(seconds=1)
    write(server, "staff01", people.photo(101))
    assert before <= last_change(server, "staff01").time <= datetime.now(UTC)


def test_a_change_names_the_controller_that_was_written_to(server):
    assert last_change(server, "staff00").controller_name == "DC1"


def test_every_write_raises_the_version(server):
    write(server, "staff02", people.photo(102))
    write(server, "staff02", people.photo(103))
    assert last_change(server, "staff02").version == 3


def test_a_change_has_the_update_sequence_number_of_its_object(server):
    write(server, "staff03", people.photo(104))
    assert last_change(server, "staff03").originating_usn == find(server, "staff03").usn_changed


def test_a_photo_that_was_taken_away_keeps_its_stamp(server):
    write(server, "staff04", None)
    assert last_change(server, "staff04").version == 2


def test_writing_the_photo_that_is_there_is_no_change(server):
    write(server, "staff05", people.photo(5))
    assert last_change(server, "staff05").version == 1


def test_somebody_who_never_had_a_photo_has_version_zero(server):
    person = find(server, "gone").person
    assert last_change(server, "gone") == AttributeChange(person, "thumbnailPhoto")


def test_people_in_several_batches_are_all_answered(server):
    with connect(server) as directory:
        everyone = [user.person for user in directory.users()]
        answered = [change.person for change in photo_changes(directory, everyone, batch=7)]
    assert sorted(answered) == sorted(everyone)


def test_somebody_who_is_gone_is_said_to_be(server):
    with connect(server) as directory:
        assert only(photo_changes(directory, [NOBODY])) == UnreadableChange(
            NOBODY, "the account is no longer in the directory"
        )


def test_somebody_whom_two_controllers_of_one_domain_know_is_answered_once(lone):
    person = find(lone, "staff07").person
    with Forest([connect(lone), connect(lone)]) as forest:
        assert [change.person for change in photo_changes(forest, [person, NOBODY])] == [person, NOBODY]


def test_somebody_named_in_two_batches_is_answered_once(lone):
    first, second = find(lone, "staff07").person, find(lone, "staff08").person
    with connect(lone) as directory:
        answered = [change.person for change in photo_changes(directory, [first, second, first], batch=2)]
    assert sorted(answered) == sorted([first, second])


@pytest.fixture(scope="module")
def forest(lone, tmp_path_factory):
    """Give two domains, each on a controller of its own; the second one's photo was written twice."""
    emea = Domain("emea.contoso.example", "EMEA")
    entries = [Entry(one.dn.replace(people.BASE, emea.base_dn), one.attributes) for one in people.entries()]
    folder = tmp_path_factory.mktemp("emea")
    other = embedded.start(emea, entries, people.ACCOUNTS, folder, forest=(people.DOMAIN, emea))
    other.replicate_photo(f"CN=Staff 09,OU=Staff,{emea.base_dn}", people.photo(109), "DC2")
    with Forest([connect(lone), connect(other, domain="EMEA")]) as opened:
        yield opened
    other.stop()


def staff09(forest):
    users = forest.users(extra_filter="(sAMAccountName=staff09)")
    return {user.account: user.person for user in users}


def test_stamps_are_read_in_whichever_domain_the_people_are(forest):
    wanted = staff09(forest)
    versions = {change.person: change.version for change in photo_changes(forest, wanted.values())}
    assert {account: versions[person] for account, person in wanted.items()} == {
        "contoso\\staff09": 1,
        "emea\\staff09": 2,
    }


def test_everybody_of_a_forest_is_judged_once(forest, practice):
    rows = [(user.person, user.account, user.display_name, True) for user in forest.users()]
    everybody = pd.DataFrame(rows, columns=["person", "account", "display_name", "in_directory"])
    with sources.synchronization(practice.case) as service:
        judged = writers(everybody, forest, service, agent="ADMA", export_profile="Export")
    assert sorted(judged["person"]) == sorted(everybody["person"])
    accounts = judged.set_index("account")
    assert accounts.loc["emea\\staff09", "changed_on"] == "DC2"
    assert set(accounts.loc[["contoso\\gone", "emea\\gone"], "writer"]) == {"never_written"}


def test_tens_of_thousands_are_each_answered_once(lone):
    gone = [f"00000000-0000-0000-0000-{number:012}" for number in range(20_000)]
    with connect(lone) as directory:
        present = [user.person for user in directory.users()]
        frame = judge(photo_changes(directory, gone + present), history(*RUNS), export_profile="Export")
    assert sorted(frame["person"]) == sorted(gone + present)
    assert set(frame["person"][frame["writer"] == "not_readable"]) >= set(gone)


def test_a_name_that_is_no_guid_is_refused_by_name(lone):
    with connect(lone) as directory, pytest.raises(ParameterError, match="'contoso"):
        list(photo_changes(directory, ["contoso\\anna"]))


def test_metadata_that_may_not_be_read_is_a_value_of_that_person(lone):
    lone.hide_metadata(ANNA)
    assert "may not read it" in last_change(lone, "anna.m").detail


def test_a_write_on_another_controller_names_that_one(lone):
    lone.replicate_photo(f"CN=Staff 06,OU=Staff,{people.BASE}", people.photo(106), "DC2")
    assert last_change(lone, "staff06").controller_name == "DC2"


def raw(server, attributes):
    options = {"user": "CONTOSO\\svc-reader", "password": people.READER.password}
    with ldap3.Connection(ldap3.Server(server.plain_url, get_info=ldap3.NONE), **options) as connection:
        connection.search(people.BASE, "(sAMAccountName=staff00)", attributes=attributes)
        found = only(entry for entry in connection.response if entry["type"] == "searchResEntry")
        return found["raw_attributes"]


def test_constructed_attributes_come_only_when_asked_for_by_name(lone):
    assert not {"msDS-ReplAttributeMetaData", "allowedAttributesEffective"} & set(raw(lone, ["*"]))


def test_every_value_of_the_metadata_is_one_attributes_with_a_nul_behind_it(lone):
    values = raw(lone, ["msDS-ReplAttributeMetaData"])["msDS-ReplAttributeMetaData"]
    attributes = [only(parse_metadata(value)).attribute for value in values if value.endswith(b">\n\0")]
    assert len(attributes) == len(values)
    assert {"thumbnailPhoto", "department", "objectSid"} < set(attributes)


def test_what_is_not_replicated_has_no_stamp(lone):
    values = b"".join(raw(lone, ["msDS-ReplAttributeMetaData"])["msDS-ReplAttributeMetaData"])
    assert not {"uSNChanged", "whenChanged"} & {change.attribute for change in parse_metadata(values)}


def test_an_account_that_may_write_photos_is_told_so(server):
    with connect(server, people.WRITER) as directory:
        assert "thumbnailPhoto" in directory.writable_attributes(ANNA)


def test_an_account_that_may_only_read_can_write_nothing(server):
    with connect(server) as directory:
        assert directory.writable_attributes(ANNA) == frozenset()


def test_asking_what_may_be_written_of_nobody_names_the_object(server):
    with connect(server) as directory, pytest.raises(NotFoundError, match="CN=Nobody"):
        directory.writable_attributes(f"CN=Nobody,{people.BASE}")


def history(*runs):
    columns = ["run_profile", "status", "started", "ended"]
    frame = pd.DataFrame([run[:4] for run in runs], columns=columns)
    times = dict.fromkeys(("started", "ended"), "datetime64[us, UTC]")
    frame.insert(0, "run_number", pd.Series(range(1, len(runs) + 1), dtype="Int64"))
    return frame.astype({"run_profile": "string", "status": "string", **times})[::-1]


def minutes(count):
    return NOON + timedelta(minutes=count)


RUNS = (
    ("FullImport", "success", minutes(-60), minutes(-50)),
    ("Export", "success", minutes(0), minutes(2)),
    ("Export", "no-start-ma-already-running", minutes(10), minutes(12)),
    ("Export", "completed-export-errors", minutes(20), minutes(22)),
)


def judged(time, *runs, tolerance=timedelta(0), profile="export"):
    change = AttributeChange("anna", "thumbnailPhoto", 2, time, CONTROLLER, INVOCATION)
    frame = judge([change], history(*(runs or RUNS)), export_profile=profile, tolerance=tolerance)
    return frame.iloc[0]


@pytest.mark.parametrize(
    ("time", "writer"),
    [
        (minutes(-61), "before_history"),
        (minutes(-55), "another_writer"),
        (minutes(0), "synchronization_service"),
        (minutes(2), "synchronization_service"),
        (minutes(3), "another_writer"),
        (minutes(11), "another_writer"),
        (minutes(21), "synchronization_service"),
        (minutes(500), "another_writer"),
    ],
)
def test_a_change_belongs_to_the_service_during_an_export_only(time, writer):
    assert judged(time)["writer"] == writer


@pytest.mark.parametrize(("seconds", "writer"), [(-31, "another_writer"), (-30, "synchronization_service")])
def test_the_tolerance_widens_an_export_at_its_beginning(seconds, writer):
    time = NOON + timedelta(seconds=seconds)
    assert judged(time, tolerance=timedelta(seconds=30))["writer"] == writer


@pytest.mark.parametrize(("seconds", "writer"), [(30, "synchronization_service"), (31, "another_writer")])
def test_the_tolerance_widens_an_export_at_its_end(seconds, writer):
    time = minutes(2) + timedelta(seconds=seconds)
    assert judged(time, tolerance=timedelta(seconds=30))["writer"] == writer


def test_a_stamp_cut_to_its_second_is_not_before_an_export_of_that_second():
    run = ("Export", "success", NOON + timedelta(milliseconds=700), minutes(1))
    earlier = ("FullImport", "success", minutes(-10), minutes(-9))
    assert judged(NOON, earlier, run)["writer"] == "synchronization_service"


def test_an_export_that_goes_on_has_no_end_yet():
    assert judged(minutes(90), *RUNS, ("Export", "in-progress", minutes(60), None))["run_number"] == 5


def test_the_export_that_wrote_is_named():
    assert judged(minutes(21))["run_number"] == 4


def test_without_any_history_nothing_is_judged():
    change = AttributeChange("anna", "thumbnailPhoto", 2, NOON, CONTROLLER)
    assert judge([change], history(), export_profile="Export")["writer"].tolist() == ["before_history"]


def test_who_has_no_stamp_is_not_judged_by_time():
    changes = [AttributeChange("anna", "thumbnailPhoto"), UnreadableChange("ben", "no rights")]
    frame = judge(changes, history(*RUNS), export_profile="Export")
    assert frame["writer"].tolist() == ["never_written", "not_readable"]
    assert frame["detail"].tolist() == ["", "no rights"]


@pytest.mark.parametrize("changes", [[], [AttributeChange("anna", "thumbnailPhoto", 1, NOON)]])
def test_the_frame_has_its_columns_and_dtypes_even_when_empty(changes):
    frame = judge(changes, history(*RUNS), export_profile="Export")
    assert {name: str(dtype) for name, dtype in frame.dtypes.items()} == CHANGES


def concluded(*changes):
    return conclusion(judge(changes, history(*RUNS), export_profile="Export", tolerance=timedelta(0)))


OURS = AttributeChange("anna", "thumbnailPhoto", 2, minutes(1), CONTROLLER)
OTHERS = AttributeChange("ben", "thumbnailPhoto", 5, minutes(5), CONTROLLER)


def test_the_conclusion_sees_no_other_writer():
    never = AttributeChange("carla", "thumbnailPhoto")
    assert concluded(OURS, never) == (
        "No sign of another writer (1 written during an Export of the directory agent, 1 never written)."
    )


def test_the_conclusion_names_where_and_when_another_writer_wrote():
    assert concluded(OURS, OTHERS) == (
        "Another writer is at work (1 written during an Export of the directory agent, 1 written while the "
        "directory agent did not export): the last one on DC1 at 2026-01-31 12:05:00 UTC, where event 5136 "
        "names the account."
    )


def test_the_conclusion_admits_what_cannot_be_judged():
    assert concluded(OURS, UnreadableChange("ben", "no rights")).startswith(
        "No sign of another writer, but not every photo can be judged"
    )


def test_nothing_looked_at_concludes_nothing():
    assert concluded() == "No photo was looked at."


@pytest.fixture(scope="module")
def practice(tmp_path_factory) -> Iterator[Practice]:
    """Give a farm whose agent has just exported a photo; an hour later somebody wrote another one."""
    folder = tmp_path_factory.mktemp("farm")
    with lab.start(folder, users=20, seed=1, outputs=folder / "outputs", case_id="practice") as farm:
        practice = Practice(farm)
        with farm.sign_in(exported(practice)) as client:
            client.post("_api/SP.UserProfiles.PeopleManager/SetMyProfilePicture", portrait(4711))
        practice.run("SPMA", "DeltaImport", "DeltaSync")
        practice.run("ADMA", "Export")
        farm.clock.set_offset(timedelta(hours=1))
        write_past_the_agent(farm, overwritten(practice))
        yield practice


def exported(practice):
    return practice.somebody("stale").rpartition("\\")[2]


def overwritten(practice):
    return practice.somebody("in_sync").rpartition("\\")[2]


def write_past_the_agent(farm, account_name):
    """Write a photo over LDAP; whichever account does, the directory's answer is the same."""
    writer = Endpoint(
        farm.directory.url, "CONTOSO\\svc-adma", farm.passwords["svc-adma"], ca_file=farm.directory.ca_file
    )
    with DirectoryWriter(writer) as directory:
        user = only(directory.users(extra_filter=f"(sAMAccountName={account_name})"))
        directory.replace(user.distinguished_name, "thumbnailPhoto", portrait(815))


@pytest.fixture(scope="module")
def frame(practice) -> pd.DataFrame:
    """Judge everybody, over LDAP and WS-Man; one of them is not in the directory."""
    with (
        sources.directory(practice.case) as directory,
        sources.synchronization(practice.case) as service,
    ):
        rows = [(user.person, user.account, user.display_name, True) for user in directory.users()]
        rows.append((r"contoso\guest", r"contoso\guest", "Guest", False))
        everybody = pd.DataFrame(rows, columns=["person", "account", "display_name", "in_directory"])
        return writers(everybody, directory, service, agent="ADMA", export_profile="export")


def row(frame, account_name):
    return frame.set_index("account").loc[f"contoso\\{account_name}"]


def test_a_photo_that_the_agent_exported_is_the_services(practice, frame):
    assert row(frame, exported(practice))["writer"] == "synchronization_service"


def test_the_run_that_exported_a_photo_is_named(practice, frame):
    last = next(run for run in practice.farm.engine.runs() if run.agent == "ADMA")
    assert row(frame, exported(practice))["run_number"] == last.run_number


def test_a_photo_written_past_the_agent_is_another_writers(practice, frame):
    assert row(frame, overwritten(practice))["writer"] == "another_writer"


def test_another_writers_photo_is_counted_on_from_the_services(practice, frame):
    assert row(frame, overwritten(practice))["version"] == 3


def test_people_who_are_not_in_the_directory_are_left_out(frame):
    assert r"contoso\guest" not in set(frame["account"])


def test_the_judged_people_keep_their_names_and_dtypes(practice, frame):
    assert {name: str(dtype) for name, dtype in frame.dtypes.items()} == CHANGES
    person = next(one for one in practice.farm.people if one.account_name == exported(practice))
    assert row(frame, exported(practice))["display_name"] == person.display_name


def test_the_farms_conclusion_is_another_writer_on_its_controller(frame):
    assert conclusion(frame).startswith("Another writer is at work (")
    assert ": the last one on DC1 at " in conclusion(frame)
