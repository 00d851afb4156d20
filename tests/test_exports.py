import hashlib

import cases
import pandas as pd
import pytest
from memory_farm import FULL, MemoryFarm

from kit import csexport, exports, plan, schema
from kit.endpoint import Endpoint
from kit.errors import ExportError
from kit.exports import read, require_safe, summary
from kit.lab import portraits, wsman
from kit.lab.domain import Account, Domain
from kit.lab.site import field_rules
from kit.mim import SynchronizationService
from kit.shell import CommandShell

KIT = Account("kit", "Corr3ct horse", frozenset({"sync-operator"}))
NONE = {"NumExportAdd": 0, "NumExportUpdate": 0, "NumExportDelete": 0}
OLD, NEW = (portraits.portrait(seed, size=72) for seed in (3, 8))


@pytest.fixture
def farm():
    """Return a farm on which anna and berta have the same photo everywhere."""
    farm = MemoryFarm(field_rules(suppress_deletions=False, directory_second=False))
    for name in ("anna", "berta"):
        farm.hire(name, OLD)
        farm.enrol(name, Picture=OLD)
    for agent in ("ADMA", "SPMA", "ADMA"):
        farm.run(agent, *FULL)
    return farm


@pytest.fixture
def service(farm):
    server = wsman.start(farm.engine, Domain(), [KIT])
    with SynchronizationService(Endpoint(server.url, "CONTOSO\\kit", KIT.password)) as opened:
        yield opened
    server.stop()


@pytest.fixture
def pending(farm, service):
    """Return a function that reads what waits, after SharePoint's objects have changed."""

    def look(*expected):
        farm.run("SPMA", "DeltaImport", "DeltaSync")
        everyone = cases.people({"account": "contoso\\anna"}, {"account": "contoso\\berta"})
        return read(service, "ADMA", everyone, changes(*expected))

    return look


def changes(*people):
    rows = [
        {"account": f"contoso\\{name}", "class": kind, "sha256": sha(photo)} for name, kind, photo in people
    ]
    return pd.DataFrame(rows, columns=["account", "class", "sha256"])


def sha(photo):
    return hashlib.sha256(photo).hexdigest()


def waiting(*classes):
    rows = [
        {"account": f"contoso\\{number}", "class": kind, "attributes": "thumbnailPhoto"}
        for number, kind in enumerate(classes)
    ]
    return schema.conform(pd.DataFrame(rows), schema.EXPORTS)


def counted(updates):
    return {**NONE, "NumExportUpdate": updates}


def refusal(found, counters, limit=100):
    with pytest.raises(ExportError) as caught:
        require_safe(found, counters, limit)
    return str(caught.value)


# What waits, read from a real engine


def test_nothing_waits(pending):
    assert len(pending()) == 0


def test_an_expected_photo_is_expected(farm, pending):
    farm.sharepoint.put("anna", Picture=NEW)
    assert pending(("anna", "expected", NEW)).to_dict("records") == [
        {
            "account": "contoso\\anna",
            "class": "expected",
            "operation": "update",
            "attributes": "thumbnailPhoto",
            "sha256": sha(NEW),
        }
    ]


def test_a_re_encoded_photo_is_of_its_own_class(farm, pending):
    farm.sharepoint.put("anna", Picture=NEW)
    assert pending(("anna", "re_encoded", NEW))["class"].tolist() == ["re_encoded"]


def test_somebody_who_was_not_named_is_unexpected(farm, pending):
    farm.sharepoint.put("berta", Picture=NEW)
    assert pending(("anna", "expected", NEW))["class"].tolist() == ["unexpected_person"]


def test_another_picture_than_sharepoint_s_is_unexpected(farm, pending):
    farm.sharepoint.put("anna", Picture=NEW)
    assert pending(("anna", "expected", OLD))["class"].tolist() == ["unexpected_picture"]


def test_what_is_no_picture_is_unexpected_even_if_it_was_named(farm, pending):
    page = portraits.login_page()
    farm.sharepoint.put("anna", Picture=page)
    assert pending(("anna", "expected", page))["class"].tolist() == ["unexpected_picture"]


def test_another_attribute_is_unexpected(farm, pending):
    farm.sharepoint.put("anna", WorkPhone="110")
    found = pending(("anna", "expected", NEW))
    assert found[["class", "attributes"]].to_numpy().tolist() == [["unexpected_attribute", "telephoneNumber"]]


def test_another_attribute_beside_the_photo_is_unexpected(farm, pending):
    farm.sharepoint.put("anna", WorkPhone="110", Picture=NEW)
    found = pending(("anna", "expected", NEW))
    assert found[["class", "attributes"]].to_numpy().tolist() == [
        ["unexpected_attribute", "telephoneNumber, thumbnailPhoto"]
    ]


def test_a_photo_that_would_vanish_is_a_delete(farm, pending):
    farm.sharepoint.put("anna", Picture=None)
    found = pending(("anna", "expected", NEW))
    assert found[["class", "sha256"]].to_numpy().tolist() == [["delete", ""]]


def test_what_is_read_agrees_with_the_counters_of_the_agent(farm, service, pending):
    farm.sharepoint.put("anna", Picture=NEW)
    require_safe(pending(("anna", "expected", NEW)), service.counters("ADMA"), 1)


def test_somebody_outside_the_inventory_shows_in_the_counters(farm, service, pending):
    farm.hire("carl", OLD)
    farm.enrol("carl", Picture=NEW)
    farm.sharepoint.put("anna", Picture=NEW)
    farm.run("ADMA", *FULL)
    found = pending(("anna", "expected", NEW))
    assert "objects that the inventory does not know would be exported too" in refusal(
        found, service.counters("ADMA")
    )


# Whether what waits has changed since it was read


@pytest.fixture
def marked(service):
    """Return outcomes as the journal has them once what waits was read."""
    return {11: {"name": "pending_exports", "mark": exports.mark(service, "ADMA")}}


def test_what_was_never_read_may_have_changed(service):
    assert exports.moved(service, {3: {"name": "quiet"}})


def test_what_waits_stays_the_same_while_nobody_runs_anything(service, marked):
    assert not exports.moved(service, marked)


@pytest.mark.parametrize("run", [("SPMA", "DeltaSync"), ("ADMA", "DeltaImport")])
def test_any_run_may_change_what_waits(farm, service, marked, run):
    farm.run(*run)
    assert exports.moved(service, marked)


def test_the_last_reading_counts(farm, service, marked):
    farm.run("SPMA", "DeltaSync")
    again = {**marked, 14: {"name": "first_photos", "mark": exports.mark(service, "ADMA")}}
    assert not exports.moved(service, again)


# What is let out


def test_expected_photos_pass():
    require_safe(waiting("expected", "expected", "re_encoded"), counted(3), 3)


def test_nothing_passes():
    require_safe(waiting(), NONE, 1)


@pytest.mark.parametrize(
    "kind", ["delete", "unexpected_attribute", "unexpected_person", "unexpected_picture"]
)
def test_anything_else_stops_the_export(kind):
    sentence = refusal(waiting("expected", kind), counted(2))
    assert sentence.startswith(
        f"1 pending exports are of kind {kind}, first contoso\\1 (thumbnailPhoto): "
        "they are not the photo updates that were planned; export nothing; "
    )


def test_every_class_is_either_let_out_or_stops():
    for kind in set(exports.SUMMARY) - set(exports.ALLOWED):
        assert kind in refusal(waiting(kind), counted(1))


@pytest.mark.parametrize(
    "counters",
    [
        {**counted(2), "NumExportAdd": 1},
        {**counted(2), "NumExportDelete": 1},
        counted(3),
        counted(1),
        NONE,
    ],
)
def test_counters_that_disagree_stop_the_export(counters):
    assert "the people who are known account for 2 updates" in refusal(
        waiting("expected", "expected"), counters
    )


def test_more_than_the_limit_stops_the_export():
    step = "check the list, then raise export_limit_percent or export_limit"
    expected = f"2 photos would change: the limit is 1; {step}."
    assert refusal(waiting("expected", "re_encoded"), counted(2), limit=1) == expected


def test_every_kind_is_counted():
    assert summary(waiting("expected", "expected", "delete")) == {
        "expected_updates": 2,
        "re_encoded_only": 0,
        "unexpected_people": 0,
        "unexpected_attributes": 0,
        "unexpected_pictures": 0,
        "deletes": 1,
    }


def test_what_the_plan_expects_is_what_is_let_out():
    kinds = plan.changes(
        cases.people(
            {"account": "a", "verdict": "stale", "sharepoint_sha256": "1"},
            {"account": "b", "verdict": "in_sync", "sharepoint_sha256": "2"},
        )
    )["class"]
    assert set(kinds) == set(exports.ALLOWED)


def test_a_csexport_file_tells_the_same_as_wmi(farm, tmp_path):
    farm.enrol("anna", Picture=NEW)
    farm.run("SPMA", "DeltaImport", "DeltaSync")
    administrator = Account("admin", KIT.password, frozenset({"sync-admin"}))
    names = {
        one.account.lower(): one.dn for one in farm.engine.connector_space_objects() if one.agent == "ADMA"
    }
    everyone = cases.people(
        *({"account": f"contoso\\{name}", "distinguished_name": dn} for name, dn in names.items())
    )
    server = wsman.start(farm.engine, Domain(), [administrator])
    endpoint = Endpoint(server.url, "CONTOSO\\admin", administrator.password)
    try:
        with SynchronizationService(endpoint) as service, CommandShell(endpoint) as shell:
            file = csexport.export(shell, "ADMA", folder=tmp_path)
            expected = changes(("anna", "expected", NEW))
            by_file = read(service, "ADMA", everyone, expected, file=file)
            by_wmi = read(service, "ADMA", everyone, expected)
    finally:
        server.stop()
    assert by_file.to_dict("records") == by_wmi.to_dict("records")
    assert by_file["class"].tolist() == ["expected"]
