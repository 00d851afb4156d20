from dataclasses import replace
from datetime import UTC, datetime

import cases
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit import configuration, hops
from kit.flow import PhotoFlow
from kit.holdings import Holding, Trail
from kit.hops import LAYERS, Comparisons, stopped_at
from kit.lab import portraits, saved
from kit.lab.site import OBSTACLES, field_rules
from kit.schema import HOP_STATES, HOPS, TRACE
from kit.store import PhotoStore

NEW = portraits.portrait(3, size=300)
OLD = portraits.portrait(3, sitting_seed=99, size=96)
COLUMNS = [column for columns in LAYERS.values() for column in columns]
CURRENT = dict.fromkeys(COLUMNS, "current")


@pytest.fixture(scope="module")
def store():
    with PhotoStore(":memory:") as opened:
        yield opened


@pytest.fixture(scope="module")
def comparisons(store):
    return Comparisons(store)


# One picture


@pytest.mark.parametrize(
    ("held", "shown", "state"),
    [
        (NEW, NEW, "current"),
        (portraits.reencode(NEW, 72), NEW, "current"),
        (OLD, NEW, "old"),
        (portraits.badge(portraits.reencode(NEW, 96, 92)), NEW, "uncertain"),
        (portraits.login_page(), NEW, "unreadable"),
        (OLD, portraits.login_page(), "old"),
        (portraits.silhouette(), NEW, "old"),
        (OLD, portraits.silhouette(), "old"),
        (portraits.silhouette(96), portraits.silhouette(72), "current"),
        (OLD, b"", "old"),
    ],
)
def test_a_picture_is_measured_against_the_one_shown(store, comparisons, held, shown, state):
    assert comparisons.state(store.put(held), store.put(shown) if shown else "") == state


def test_what_was_compared_before_is_not_compared_again(store):
    """The pictures are not even in a store."""
    pair = {"directory_sha256": "1" * 64, "sharepoint_sha256": "2" * 64, "comparison": "uncertain"}
    people = cases.people({"account": "anna", **pair})
    known = Comparisons(store, people)
    found = states(known, people.to_dict("records")[0], holding("1" * 64))
    assert (found["sharepoint"], found["ad_connector_space"]) == ("current", "uncertain")


@pytest.mark.parametrize(("verdict", "state"), [("missing_in_ad", "current"), ("unmatched", "unknown")])
def test_the_very_bytes_of_a_judged_picture_are_not_decoded(store, verdict, state):
    people = cases.people({"account": "anna", "sharepoint_sha256": "2" * 64, "verdict": verdict})
    found = states(Comparisons(store, people), people.to_dict("records")[0], sharepoint=holding("2" * 64))
    assert (found["sharepoint"], found["sharepoint_connector_space"]) == (state, state)


@pytest.mark.parametrize(("digest", "state"), [("", "none"), (None, "unknown"), ("0" * 64, "unknown")])
def test_without_its_bytes_a_picture_is_not_measured(store, comparisons, digest, state):
    assert comparisons.state(digest, store.put(NEW)) == state


# One person


def row(store, directory=OLD, sharepoint=NEW, **changes):
    digests = {
        f"{side}_sha256": store.put(photo) if photo else ""
        for side, photo in (("directory", directory), ("sharepoint", sharepoint))
    }
    return cases.people({"account": "contoso\\anna", **digests, **changes}).to_dict("records")[0]


def holding(hologram="", pending_import="", pending_export="", unconfirmed_export="", *, removal=False):
    identity = ("{G}", "anna", "{M}", "{M}", "contoso\\anna", "")
    return Holding(*identity, hologram, pending_import, pending_export, unconfirmed_export, removal)


def states(comparisons, person, directory=None, sharepoint=None, *, flow=None, joined=1):
    return hops.states(person, Trail(directory, sharepoint, joined), comparisons, flow)


def test_every_hop_of_a_photo_that_has_arrived_holds_it(store, comparisons):
    thumbnail = store.put(portraits.reencode(NEW, 96))
    found = states(comparisons, row(store, NEW), holding(thumbnail), holding(store.put(NEW)))
    assert {found[hop] for hop in HOPS} == {"current"}
    assert stopped_at(found) == ""


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({"in_sharepoint": False}, "absent"),
        ({"in_sharepoint": False, "partial": "SharePoint stopped"}, "unknown"),
        ({"error_kind": "Rights"}, "unknown"),
        ({}, "none"),
    ],
)
def test_sharepoint_without_a_picture(store, comparisons, changes, state):
    assert states(comparisons, row(store, OLD, None, **changes))["sharepoint"] == state


def test_sharepoint_with_a_page_instead_of_a_picture(store, comparisons):
    assert states(comparisons, row(store, OLD, portraits.login_page()))["sharepoint"] == "unreadable"


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({"in_directory": False}, "absent"),
        ({"in_directory": False, "partial": "the directory stopped"}, "unknown"),
        ({"error_kind": "Rights"}, "unknown"),
        ({}, "none"),
    ],
)
def test_a_directory_without_a_photo(store, comparisons, changes, state):
    assert states(comparisons, row(store, None, **changes))["active_directory"] == state


def test_without_objects_the_connector_spaces_hold_nothing(store, comparisons):
    found = states(comparisons, row(store))
    assert {layer: found[layer] for layer in COLUMNS if layer not in {"sharepoint", "active_directory"}} == {
        "sharepoint_connector_space": "absent",
        "pending_import": "none",
        "metaverse": "absent",
        "ad_connector_space": "absent",
        "pending_export": "none",
        "unconfirmed_export": "none",
    }


def test_an_address_in_place_of_a_picture_is_unknown(store, comparisons):
    found = states(comparisons, row(store), holding(), holding(None))
    assert (found["sharepoint_connector_space"], stopped_at(found)) == ("unknown", "unknown")


def test_nothing_is_old_where_sharepoint_could_not_be_read(store, comparisons):
    old = holding(store.put(OLD))
    found = states(comparisons, row(store, OLD, None, error_kind="Rights"), old, old)
    assert {found[hop] for hop in HOPS} == {"unknown"}


# The metaverse


@pytest.fixture(scope="module")
def metaverse_of(store, comparisons, tmp_path_factory):
    """Return the metaverse's state for rules, or none, and for what the holograms hold."""

    def state(rules, sharepoint, directory, **waiting):
        flow = None
        if rules:
            folder = tmp_path_factory.mktemp("configuration")
            saved.save(rules, folder, datetime(2024, 5, 1, tzinfo=UTC))
            flow = PhotoFlow.of(configuration.read(folder))
        digests = [store.put(photo) if photo else "" for photo in (directory, sharepoint)]
        spaces = holding(digests[0], **waiting), holding(digests[1])
        return states(comparisons, row(store), *spaces, flow=flow)["metaverse"]

    return state


FIELD = field_rules()
NO_IMPORT_FLOW = replace(FIELD, import_flows=FIELD.import_flows[:6])
BOTH_EQUAL = OBSTACLES["whoever comes last"]()
DIRECTORY_FIRST = OBSTACLES["the directory first"]()


@pytest.mark.parametrize(
    ("rules", "sharepoint", "directory", "state"),
    [
        (FIELD, NEW, OLD, "current"),
        (FIELD, OLD, OLD, "old"),
        (FIELD, None, OLD, "old"),
        (FIELD, None, None, "none"),
        (DIRECTORY_FIRST, NEW, OLD, "old"),
        (DIRECTORY_FIRST, NEW, None, "current"),
        (BOTH_EQUAL, NEW, OLD, "unknown"),
        (BOTH_EQUAL, NEW, NEW, "current"),
        (NO_IMPORT_FLOW, NEW, OLD, "none"),
    ],
)
def test_the_import_flows_tell_what_the_metaverse_holds(metaverse_of, rules, sharepoint, directory, state):
    assert metaverse_of(rules, sharepoint, directory) == state


@pytest.mark.parametrize(
    ("sharepoint", "directory", "state"),
    [(OLD, OLD, "old"), (None, OLD, "none"), (NEW, NEW, "current"), (NEW, OLD, "unknown")],
)
def test_without_a_configuration_only_what_arrived_is_certain(metaverse_of, sharepoint, directory, state):
    assert metaverse_of(None, sharepoint, directory) == state


@pytest.mark.parametrize("layer", ["pending_export", "unconfirmed_export"])
def test_what_goes_to_the_directory_came_from_the_metaverse(store, metaverse_of, layer):
    assert metaverse_of(None, NEW, OLD, **{layer: store.put(NEW)}) == "current"


def test_what_removes_the_photo_came_from_an_empty_metaverse(metaverse_of):
    assert metaverse_of(FIELD, NEW, OLD, removal=True) == "none"


def test_without_a_join_the_metaverse_has_nothing(store, comparisons):
    held = holding(store.put(NEW))
    found = states(comparisons, row(store), held, held, joined=0)
    assert (found["metaverse"], stopped_at(found)) == ("absent", "metaverse")


def test_who_is_in_the_metaverse_without_the_directory_has_the_photo_there(store, comparisons, tmp_path):
    saved.save(FIELD, tmp_path, datetime(2024, 5, 1, tzinfo=UTC))
    flow = PhotoFlow.of(configuration.read(tmp_path))
    found = states(comparisons, row(store), None, holding(store.put(NEW)), flow=flow, joined=0)
    assert (found["metaverse"], stopped_at(found)) == ("current", "ad_connector_space")


# Where it stopped


@pytest.mark.parametrize(
    ("hop", "missing"),
    [
        ("sharepoint", {"sharepoint": "none"}),
        ("sharepoint_connector_space", {"sharepoint_connector_space": "old", "pending_import": "none"}),
        ("metaverse", {"metaverse": "absent"}),
        (
            "ad_connector_space",
            dict.fromkeys(("ad_connector_space", "pending_export", "unconfirmed_export"), "none"),
        ),
        ("active_directory", {"active_directory": "unreadable"}),
    ],
)
def test_a_photo_stops_at_each_hop(hop, missing):
    assert stopped_at(CURRENT | missing) == hop


@pytest.mark.parametrize("layer", ["pending_import", "pending_export", "unconfirmed_export"])
def test_what_waits_counts_as_held(layer):
    hop = next(hop for hop, layers in LAYERS.items() if layer in layers)
    assert stopped_at(CURRENT | dict.fromkeys(LAYERS[hop], "old") | {layer: "current"}) == ""


@given(st.fixed_dictionaries(dict.fromkeys(COLUMNS, st.sampled_from(list(HOP_STATES)))))
def test_a_photo_stops_at_the_first_hop_that_fails(found):
    stopped = stopped_at(found)
    held = {hop: any(found[layer] == "current" for layer in layers) for hop, layers in LAYERS.items()}
    doubtful = {
        hop: any(found[layer] in {"unknown", "uncertain"} for layer in layers)
        for hop, layers in LAYERS.items()
    }
    failing = [hop for hop in HOPS if not held[hop]]
    expected = "unknown" if failing and doubtful[failing[0]] else next(iter(failing), "")
    assert stopped == expected


def test_every_layer_belongs_to_a_hop_of_the_schema():
    assert list(LAYERS) == list(HOPS)
    assert set(COLUMNS) == set(TRACE) & set(COLUMNS)
