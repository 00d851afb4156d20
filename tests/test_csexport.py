import base64
import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from shell_farm import listening, played, shell_on

from kit import csexport, svrexport
from kit.errors import NotFoundError, OutputError, ParameterError, ProtocolError, RightsError
from kit.mim import read_csexport

PHOTO = bytes(range(256)) * 8
NEW = b"new photo"


def value(data):
    return f'<value encoding="base64">{base64.b64encode(data).decode()}</value>'


def attribute(name, content, operation=""):
    given = f' operation="{operation}"' if operation else ""
    return f'<attr name="{name}"{given} type="binary" multivalued="false">{content}</attr>'


DELTA = (
    '<unapplied-export><delta operation="update" dn="CN=Anna">'
    f"{attribute('thumbnailPhoto', value(NEW), 'replace')}</delta></unapplied-export>"
)
BASICS = (
    "<connector>1</connector><ma-name>ADMA</ma-name><domain-name>CONTOSO</domain-name>"
    "<account-name>Anna</account-name><mv-link lineage-type='join-rules'>{M}</mv-link>"
)


def layer(tag, photo):
    entry = f'<entry dn="CN=Anna">{attribute("thumbnailPhoto", value(photo))}</entry>'
    return f"<{tag}>{entry}</{tag}>"


def one(content, **given):
    attributes = {"cs-dn": "CN=Anna", "id": "{G}", "object-type": "user"} | given
    written = " ".join(f'{name}="{text}"' for name, text in attributes.items())
    return f"<cs-object {written}>{content}</cs-object>"


def read(*objects, encoding="utf-8", declaration=""):
    document = f"{declaration}<cs-objects>{''.join(objects)}</cs-objects>"
    return list(read_csexport(io.BytesIO(document.encode(encoding))))


# Reading


def test_an_object_says_whose_it_is():
    (found,) = read(one(BASICS))
    assert (found.guid, found.dn, found.agent, found.metaverse_guid, found.object_type, found.account) == (
        *("{G}", "CN=Anna", "ADMA", "{M}", "user"),
        "contoso\\anna",
    )


@pytest.mark.parametrize(
    ("tag", "field"),
    [
        ("synchronized-hologram", "hologram"),
        ("hologram", "hologram"),
        ("pending-import-hologram", "pending_import"),
        ("import-hologram", "pending_import"),
        ("unapplied-export-hologram", "unapplied_export"),
        ("export-hologram", "unapplied_export"),
        ("unconfirmed-export-hologram", "unconfirmed_export"),
    ],
)
def test_every_layer_is_read_under_both_its_names(tag, field):
    (found,) = read(one(layer(tag, PHOTO)))
    assert getattr(found, field) == {"thumbnailPhoto": PHOTO}


def test_a_pending_export_is_what_its_delta_says():
    (found,) = read(one(DELTA))
    assert (found.export_operation, found.export_changes) == ("update", {"thumbnailPhoto": NEW})


def test_a_removed_photo_is_a_change_to_nothing():
    delta = f'<delta operation="update">{attribute("thumbnailPhoto", "", "delete")}</delta>'
    (found,) = read(one(f"<unapplied-export>{delta}</unapplied-export>"))
    assert found.export_changes == {"thumbnailPhoto": None}


@pytest.mark.parametrize("operation", ["add", "update", "replace", "delete", "delete-add"])
def test_an_operation_keeps_its_name(operation):
    (found,) = read(one(f'<unapplied-export><delta operation="{operation}"/></unapplied-export>'))
    assert found.export_operation == operation


def test_a_rename_is_a_change_of_the_distinguished_name():
    delta = '<delta operation="update" dn="CN=Anna" newdn="CN=Ann"/>'
    (found,) = read(one(f"<unapplied-export>{delta}</unapplied-export>"))
    assert found.export_changes == {"dn": "CN=Ann"}


def test_without_deltas_the_layers_tell_the_change():
    layers = layer("synchronized-hologram", PHOTO) + layer("unapplied-export-hologram", NEW)
    (found,) = read(one(f"{layers}<export-delta-operation>update</export-delta-operation>"))
    assert (found.export_operation, found.export_changes) == ("update", {"thumbnailPhoto": NEW})


@pytest.mark.parametrize("content", ["", "<export-delta-operation>none</export-delta-operation>"])
def test_an_object_at_rest_has_no_export(content):
    (found,) = read(one(content))
    assert (found.export_operation, found.export_changes) == ("", {})


@pytest.mark.parametrize(
    ("encoding", "declaration"),
    [
        ("utf-8", ""),
        ("utf-8-sig", '<?xml version="1.0" encoding="UTF-8"?>'),
        ("utf-16", '<?xml version="1.0" encoding="UTF-16"?>'),
        ("utf-8", '<?xml version="1.0" encoding="UTF-16"?>'),  # cmd.exe has turned it into UTF-8
    ],
)
def test_every_encoding_is_read(encoding, declaration):
    (found,) = read(one("", **{"cs-dn": "CN=Zoë"}), encoding=encoding, declaration=declaration)
    assert found.dn == "CN=Zoë"


def test_a_path_is_read_too(tmp_path):
    (tmp_path / "ADMA.xml").write_text(f"<cs-objects>{one(BASICS)}</cs-objects>", encoding="utf-8")
    assert [found.agent for found in read_csexport(tmp_path / "ADMA.xml")] == ["ADMA"]


def test_no_objects_are_none():
    assert read() == []


@pytest.mark.parametrize(
    "document",
    [
        "",
        "no XML",
        "<rows/>",
        "<cs-objects><cs-object>",
        f"<cs-objects>{one(DELTA)[:-20]}",
        f"<cs-objects>{one(layer('hologram', b'x').replace('=</value>', '</value>'))}</cs-objects>",
    ],
)
def test_a_file_that_is_not_whole_is_refused(document):
    with pytest.raises(ProtocolError, match="not a whole file of csexport"):
        list(read_csexport(io.BytesIO(document.encode())))


@pytest.mark.parametrize(
    "declaration",
    [
        '<!DOCTYPE cs-objects [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;&a;">]>',
        '<!DOCTYPE cs-objects [<!ENTITY a SYSTEM "file:///etc/hostname">]>',
        '<!DOCTYPE cs-objects SYSTEM "http://127.0.0.1:1/x.dtd">',
    ],
)
def test_entities_are_refused(declaration):
    with pytest.raises(ProtocolError, match="document type"):
        read(one("<ma-name>&b;</ma-name>"), declaration=declaration)


def test_a_file_that_is_not_there_is_told(tmp_path):
    with pytest.raises(OutputError, match=r"ADMA\.xml"):
        list(read_csexport(tmp_path / "ADMA.xml"))


@given(st.lists(st.tuples(st.binary(max_size=40), st.text(st.characters(categories=["L", "N"])))))
def test_what_was_written_is_read(objects):
    found = read(*(one(layer("hologram", photo), **{"cs-dn": f"CN={name}"}) for photo, name in objects))
    assert [(item.dn, item.hologram["thumbnailPhoto"]) for item in found] == [
        (f"CN={name}", photo) for photo, name in objects
    ]


def test_a_hundred_thousand_photos_are_read_in_little_memory():
    """Measured in a process of its own, which has nothing else in memory."""
    pytest.importorskip("resource", reason="only Unix says how much memory a process had at most")
    program = Path(__file__).with_name("csexport_file.py")
    environment = {**os.environ, "PYTHONPATH": str(program.parents[1])}
    run = subprocess.run(
        [sys.executable, program, "100000"], env=environment, capture_output=True, check=True, text=True
    )
    took = json.loads(run.stdout)
    assert (took["objects"], took["peak"] < 300) == (100_000, True)


# Choosing


def test_pending_exports_leave_out_objects_at_rest():
    assert [found.export_operation for found in csexport.pending_exports(read(one(BASICS), one(DELTA)))] == [
        "update"
    ]


def test_an_account_that_the_file_does_not_say_comes_from_the_name():
    (found,) = csexport.pending_exports(read(one(DELTA)), {"cn=anna": "contoso\\anna"})
    assert found.account == "contoso\\anna"


def test_an_account_that_the_file_says_stays():
    (found,) = csexport.pending_exports(read(one(BASICS + DELTA)), {"cn=anna": "contoso\\other"})
    assert found.account == "contoso\\anna"


# Through the shell


@pytest.fixture(scope="module")
def engine():
    return played().engine


@pytest.fixture
def server(engine):
    with listening(engine) as running:
        yield running


@pytest.fixture
def shell(server):
    with shell_on(server) as opened:
        yield opened


@pytest.fixture
def files(server):
    return server.shells.prompt.files


def test_pending_exports_are_exported_and_fetched(shell, tmp_path):
    file = csexport.export(shell, "ADMA", folder=tmp_path)
    (found,) = read_csexport(file)
    assert (found.account, found.export_operation, found.export_changes) == (
        "contoso\\anna",
        "update",
        {"thumbnailPhoto": b"new"},
    )


def test_a_whole_connector_space_is_exported_with_its_layers(shell, tmp_path):
    file = csexport.export(shell, "ADMA", pending_only=False, folder=tmp_path)
    found = {one.account: one.hologram["thumbnailPhoto"] for one in read_csexport(file)}
    assert found == {"contoso\\anna": b"old", "contoso\\bo": b"old"}


def test_a_file_in_utf_16_comes_through(shell, server, tmp_path):
    server.shells.prompt.writes_utf_16 = True
    file = csexport.export(shell, "ADMA", folder=tmp_path)
    assert [one.export_changes for one in read_csexport(file)] == [{"thumbnailPhoto": b"new"}]


def test_nothing_is_left_on_the_server(shell, files, tmp_path):
    csexport.export(shell, "ADMA", folder=tmp_path)
    assert not files


def test_nothing_is_left_on_either_side_after_a_failure(shell, server, files, tmp_path):
    server.shells.loses_output = 4  # that of type, after those of set, reg and csexport
    files["C:\\before.xml"] = b"somebody's"
    with pytest.raises(ProtocolError, match="is not what is there"):
        csexport.export(shell, "ADMA", folder=tmp_path)
    assert (list(files), list(tmp_path.iterdir())) == (["C:\\before.xml"], [])


def test_nothing_is_left_on_the_server_when_the_copy_cannot_be_written(shell, files, tmp_path):
    with pytest.raises(OutputError):
        csexport.export(shell, "ADMA", folder=tmp_path / "no-such-folder")
    assert not files


def test_a_file_that_stays_on_the_server_is_told(shell, server, tmp_path):
    server.shells.prompt.keeps_files = True
    with pytest.raises(ProtocolError, match="could not be deleted"):
        csexport.export(shell, "ADMA", folder=tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_file_that_stays_does_not_hide_what_went_wrong(shell, server, tmp_path):
    server.shells.prompt.keeps_files = True
    server.shells.loses_output = 4
    with pytest.raises(ProtocolError, match="is not what is there"):
        csexport.export(shell, "ADMA", folder=tmp_path)


def test_two_exports_have_two_files(shell, tmp_path):
    assert csexport.export(shell, "ADMA", folder=tmp_path) != csexport.export(shell, "SPMA", folder=tmp_path)


def test_an_account_that_may_not_export_is_told_what_it_needs(server, tmp_path):
    with shell_on(server, "operator") as shell, pytest.raises(RightsError, match="Access is denied") as error:
        csexport.export(shell, "ADMA", folder=tmp_path)
    assert error.value.next_step.startswith("add the account to FIMSyncAdmins, or ")


def test_an_unknown_agent_is_told(shell, tmp_path):
    with pytest.raises(ProtocolError, match="'NOMA' is unknown"):
        csexport.export(shell, "NOMA", folder=tmp_path)


def test_the_configuration_is_exported_and_fetched(shell, engine, tmp_path):
    files = svrexport.export(shell, tmp_path / "new")
    engine.export_configuration(tmp_path / "by hand")
    assert {file.name: without_times(file) for file in files} == {
        file.name: without_times(file) for file in (tmp_path / "by hand").iterdir()
    }


def without_times(file):
    return re.sub(r"\d{4}-\d\d-\d\d [\d:.]+", "", file.read_text(encoding="utf-8"))


def test_nothing_of_the_configuration_is_left_on_the_server(shell, server, tmp_path):
    svrexport.export(shell, tmp_path)
    assert (server.shells.prompt.files, server.shells.prompt.folders) == ({}, set())


def test_the_configuration_is_for_administrators(server, tmp_path):
    with shell_on(server, "operator") as shell, pytest.raises(RightsError):
        svrexport.export(shell, tmp_path)
    assert not server.shells.prompt.folders


# From a folder


def test_a_file_is_found_by_what_its_objects_say(tmp_path):
    (tmp_path / "any.xml").write_text(f"<cs-objects>{one(BASICS)}</cs-objects>", encoding="utf-8")
    (tmp_path / "MV.xml").write_text("<saved-mv-configuration/>", encoding="utf-8")
    assert csexport.from_folder(tmp_path, "adma") == tmp_path / "any.xml"


@pytest.mark.parametrize("objects", ["", one(DELTA)])
def test_a_file_is_found_by_its_name_where_its_objects_say_nothing(tmp_path, objects):
    for name in ("ADMA", "SPMA"):
        (tmp_path / f"{name}.xml").write_text(f"<cs-objects>{objects}</cs-objects>", encoding="utf-8")
    assert csexport.from_folder(tmp_path, "ADMA") == tmp_path / "ADMA.xml"


def test_a_folder_without_the_agent_is_told(tmp_path):
    (tmp_path / "SPMA.xml").write_text("<cs-objects/>", encoding="utf-8")
    with pytest.raises(NotFoundError, match=r"the files there are SPMA\.xml; run csexport"):
        csexport.from_folder(tmp_path, "ADMA")


def test_a_folder_that_is_not_there_is_told(tmp_path):
    with pytest.raises(NotFoundError, match="none"):
        csexport.from_folder(tmp_path / "no-such-folder", "ADMA")


def test_two_files_of_the_same_agent_are_refused(tmp_path):
    for name in ("monday", "tuesday"):
        (tmp_path / f"{name}.xml").write_text(f"<cs-objects>{one(BASICS)}</cs-objects>", encoding="utf-8")
    with pytest.raises(ParameterError, match=r"monday\.xml, tuesday\.xml"):
        csexport.from_folder(tmp_path, "ADMA")
