"""The preflight's count against what the practice farm's engine really does to photos."""

from __future__ import annotations

import itertools
import tempfile
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import cases
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from memory_farm import DELTA, FULL, MemoryFarm

from kit import configuration
from kit.findings import SEVERITIES
from kit.lab import saved
from kit.lab.rules import DeletionRule, Rules
from kit.lab.site import field_rules
from kit.preflight import photos_at_risk


@dataclass(frozen=True)
class Person:
    """What somebody has before the deletion; the profile may have nobody in the directory to join."""

    photo: bool
    picture: bool
    profile: bool
    joins: bool

    def row(self, account):
        """Return the measurement of this person."""
        return {
            "account": account,
            "directory_sha256": "d" * self.photo,
            "sharepoint_sha256": "s" * (self.picture and self.profile),
            "in_sharepoint": self.profile,
            "joined": self.profile and self.joins,
        }


EVERYBODY = [Person(*flags) for flags in itertools.product([False, True], repeat=4)]
people = st.lists(st.sampled_from(EVERYBODY), min_size=1, max_size=5)
agent_names = st.sampled_from(["ADMA", "SPMA"])
deletion_rules = st.builds(
    DeletionRule,
    st.sampled_from(["declared-any", "declared-last"]),
    st.lists(agent_names, max_size=2, unique=True).map(tuple),
)


@st.composite
def configurations(draw) -> Rules:
    rules = field_rules(
        directory_second=draw(st.booleans()),
        suppress_deletions=draw(st.booleans()),
        recall=draw(st.booleans()),
        deletion_rule=draw(deletion_rules),
        provisioning=False,
    )
    action = draw(st.sampled_from(["delete-object", "make-normal-disconnector"]))
    if draw(st.booleans()):
        rules = replace(rules, import_flows=rules.import_flows[::-1])
    return rules.with_agent("ADMA", deprovisioning=action)


def read(rules: Rules) -> configuration.Configuration:
    with tempfile.TemporaryDirectory() as folder:
        saved.save(rules, Path(folder), datetime(2024, 1, 1, tzinfo=UTC))
        return configuration.read(Path(folder))


def settled(rules: Rules, crew: list[Person]) -> MemoryFarm:
    """Return a farm on which everybody is as told, under rules that have no danger yet."""
    farm = MemoryFarm(field_rules(provisioning=False, directory_second=False))
    for number, person in enumerate(crew):
        farm.hire(f"p{number}")
        if person.profile:
            user_name = f"p{number}" if person.joins else f"x{number}"
            farm.sharepoint.put(f"p{number}", UserName=user_name, Picture=b"s" * person.picture or None)
    farm.run("ADMA", *FULL)
    farm.run("SPMA", *FULL)
    for number, person in enumerate(crew):
        farm.directory.put(f"p{number}", thumbnailPhoto=b"d" if person.photo else None)
    farm.engine.change_rules(rules)
    farm.run("ADMA", "FullImport")
    return farm


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(rules=configurations())
def test_the_count_is_what_the_engine_takes_away(rules: Rules) -> None:
    crew = EVERYBODY
    farm = settled(rules, crew)
    farm.engine.delete_connector_space("SPMA")
    farm.run("ADMA", "FullSync", "Export", *DELTA)
    left = [farm.directory.objects.get(f"p{number}", {}) for number in range(len(crew))]
    lost = sum(person.photo and "thumbnailPhoto" not in one for person, one in zip(crew, left, strict=True))
    rows = [person.row(f"p{number}") for number, person in enumerate(crew)]
    assert photos_at_risk(read(rules), cases.people(*rows)) == lost


@settings(max_examples=30, deadline=None)
@given(rules=configurations(), crew=people)
def test_whoever_would_lose_the_photo_makes_the_fix_stop(rules: Rules, crew: list[Person]) -> None:
    everybody = cases.people(*[person.row(f"p{number}") for number, person in enumerate(crew)])
    found = read(rules)
    severities = list(found.findings(everybody)["severity"])
    assert severities == sorted(severities, key=SEVERITIES.index)
    assert photos_at_risk(found, everybody) == 0 or severities[0] == "stop"


@settings(max_examples=30, deadline=None)
@given(rules=configurations(), crew=people)
def test_each_safeguard_only_ever_saves_photos(rules: Rules, crew: list[Person]) -> None:
    everybody = cases.people(*[person.row(f"p{number}") for number, person in enumerate(crew)])
    at_risk = photos_at_risk(read(rules), everybody)
    without_recall = rules.with_agent("SPMA", enable_recall=False)
    keeping = rules.with_agent("ADMA", deprovisioning="make-normal-disconnector")
    only_directory = replace(rules, deletion=DeletionRule("declared-any", ("ADMA",)))
    for safer in (without_recall, keeping, only_directory):
        assert photos_at_risk(read(safer), everybody) <= at_risk
