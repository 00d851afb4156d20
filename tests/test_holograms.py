import pytest

from kit.holograms import ConnectorSpaceObject

BEFORE = '<entry dn="CN=Anna"><attr name="title"><value>Dr</value></attr></entry>'


def pending(xml, beneath=BEFORE):
    return ConnectorSpaceObject.of({"Dn": "CN=Anna", "Hologram": beneath, "UnappliedExportHologram": xml})


def test_a_rename_is_a_change_of_the_distinguished_name():
    found = pending(BEFORE.replace("CN=Anna", "CN=Ann"))
    assert (found.export_operation, found.export_changes) == ("update", {"dn": "CN=Ann"})


@pytest.mark.parametrize("name", ["CN=Anna", "cn=anna"])
def test_the_same_name_is_no_rename(name):
    assert pending(BEFORE.replace("CN=Anna", name)).export_changes == {}


@pytest.mark.parametrize("missing", ["<entry/>", ""])
def test_a_layer_without_a_name_is_no_rename(missing):
    assert "dn" not in pending(BEFORE, beneath=missing).export_changes


def test_a_new_object_is_no_rename():
    found = pending(BEFORE, beneath="")
    assert (found.export_operation, found.export_changes) == ("add", {"title": "Dr"})
