"""What holds of the engine whatever happens to the farm."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st
from memory_farm import FULL, MemoryFarm, case_farm

from kit.lab.rules import DeletionRule, Rules
from kit.lab.site import field_rules

NAMES = ("anna", "berta", "carl", "dora")
PROFILES = ("FullImport", "FullSync", "DeltaImport", "DeltaSync", "Export")
Event = Callable[[MemoryFarm], object]

names, agents, profiles = st.sampled_from(NAMES), st.sampled_from(["ADMA", "SPMA"]), st.sampled_from(PROFILES)
runs: st.SearchStrategy[Event] = st.builds(
    lambda agent, profile: lambda farm: farm.run(agent, profile), agents, profiles
)


def elaborate(rules: Rules, cleanup: str, equal: bool, knows_anchor: bool) -> Rules:
    """Return rules with what `field_rules` does not choose."""
    assert rules.provisioning
    return replace(
        rules.with_agent("ADMA", deprovisioning=cleanup),
        equal_precedence=frozenset({"photo"} if equal else ()),
        provisioning=replace(rules.provisioning, knows_anchor=knows_anchor),
    )


field_rule_sets: st.SearchStrategy[Rules] = st.builds(
    field_rules,
    directory_second=st.booleans(),
    suppress_deletions=st.booleans(),
    recall=st.booleans(),
    provisioning=st.booleans(),
    deletion_rule=st.builds(
        DeletionRule,
        st.sampled_from(["declared-any", "declared-last", "scripted", "none"]),
        st.sampled_from([("ADMA",), ("SPMA",), ("ADMA", "SPMA"), ()]),
    ),
)
cleanups = st.sampled_from(["delete-object", "make-normal-disconnector", "make-explicit-disconnector"])
rule_sets = st.builds(elaborate, field_rule_sets, cleanups, st.booleans(), st.booleans())


def dismiss(farm: MemoryFarm, name: str) -> None:
    if name in farm.directory.objects:
        farm.directory.drop(name)


def close(farm: MemoryFarm, name: str) -> None:
    if name in farm.sharepoint.objects:
        farm.sharepoint.drop(name)


def upload(farm: MemoryFarm, name: str, photo: bytes) -> None:
    if name in farm.sharepoint.objects:
        farm.upload(name, photo)


photos = st.sampled_from([b"1", b"2", b"3"])
events: st.SearchStrategy[Event] = st.one_of(
    runs,
    st.builds(lambda name, photo: lambda farm: upload(farm, name, photo), names, photos),
    st.builds(lambda name, photo: lambda farm: farm.hire(name, photo), names, photos | st.none()),
    st.builds(lambda name: lambda farm: farm.enrol(name), names),
    st.builds(lambda name: lambda farm: dismiss(farm, name), names),
    st.builds(lambda name: lambda farm: close(farm, name), names),
    st.builds(lambda agent: lambda farm: farm.engine.delete_connector_space(agent), agents),
    st.builds(lambda on: lambda farm: farm.engine.set_provisioning(on), st.booleans()),
    st.builds(
        lambda name, on: lambda farm: farm.directory.failures.update({name: "cd-error"} if on else {}),
        names,
        st.booleans(),
    ),
)
histories = st.lists(events, max_size=25)


def cycle(farm: MemoryFarm) -> None:
    farm.run("SPMA", *FULL)
    farm.run("ADMA", *FULL)
    farm.publish()


@settings(max_examples=200, deadline=None)
@given(rules=rule_sets, history=histories, by_the_rules=st.booleans())
def test_counters_and_joins_always_agree(rules: Rules, history: list[Event], by_the_rules: bool) -> None:
    farm = case_farm(rules=rules, rules_at_deletion=by_the_rules)
    for event in history:
        event(farm)
        for agent in ("ADMA", "SPMA"):
            check_counters(farm, agent)
        check_joins(farm)


def check_counters(farm: MemoryFarm, agent: str) -> None:
    counts = farm.engine.counters(agent)
    objects = counts["NumCSObjects"] - counts["NumPlaceHolders"]
    assert objects == counts["NumTotalConnectors"] + counts["NumTotalDisconnectors"]
    assert counts["NumTotalConnectors"] == counts["NumConnectors"] + counts["NumExplicitConnectors"]
    assert counts["NumTotalDisconnectors"] == (
        counts["NumDisconnectors"] + counts["NumExplicitDisconnectors"] + counts["NumFilteredDisconnectors"]
    )
    assert objects == sum(counts[f"NumImport{kind}"] for kind in ("Add", "Update", "Delete", "NoChange"))


def check_joins(farm: MemoryFarm) -> None:
    joined = {
        (view.metaverse_guid, view.guid)
        for view in farm.engine.connector_space_objects()
        if view.metaverse_guid
    }
    linked = {(person.guid, guid) for person in farm.engine._metaverse for guid in person.connectors}
    assert joined == linked


@settings(max_examples=200, deadline=None)
@given(runs=st.lists(runs, max_size=12))
def test_a_farm_in_sync_is_left_alone_by_any_runs(runs: list[Event]) -> None:
    farm = case_farm()
    before = dict(farm.directory.objects), dict(farm.sharepoint.objects)
    for run in runs:
        run(farm)
    assert (dict(farm.directory.objects), dict(farm.sharepoint.objects)) == before


@settings(max_examples=200, deadline=None)
@given(history=histories)
def test_after_the_fix_every_directory_photo_is_sharepoints(history: list[Event]) -> None:
    farm = case_farm()
    for event in history:
        event(farm)
    farm.directory.failures.clear()
    farm.engine.set_provisioning(False)
    farm.engine.delete_connector_space("SPMA")
    cycle(farm)
    cycle(farm)
    both = farm.directory.objects.keys() & farm.sharepoint.objects.keys()
    pictures = {name: farm.sharepoint.objects[name].get("Picture") for name in both}
    assert {name: farm.photo(name) for name in both if pictures[name]} == {
        name: picture for name, picture in pictures.items() if picture
    }


@settings(max_examples=200, deadline=None)
@given(rules=field_rule_sets, history=histories)
def test_exports_and_confirming_imports_settle(rules: Rules, history: list[Event]) -> None:
    farm = case_farm(rules=rules)
    for event in history:
        event(farm)
    farm.directory.failures.clear()
    for _ in range(3):
        cycle(farm)
    assert farm.pending("ADMA") == farm.pending("SPMA") == {}
    assert not any(view.unconfirmed_export for view in farm.engine.connector_space_objects())
