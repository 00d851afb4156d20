"""What the kit keeps from happening: each hazard once met with the kit, and once without it.

Without the kit means that somebody does by hand what the fix does, through WS-Man and the operator console,
and checks nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import pytest
from memory_farm import case_farm
from practice import Practice

from kit import sources
from kit.errors import KitError
from kit.lab import farm as lab
from kit.lab.console import deletion_path, press
from kit.lab.farm import Farm
from kit.lab.population import Person
from kit.lab.portraits import portrait
from kit.lab.rules import ImportFlow, Rules
from kit.lab.site import DIRECTORY_AGENT, HAZARDS, OBSTACLES, SHAREPOINT_AGENT, field_rules
from kit.plan import RUN_ORDER

Run = tuple[str, str]
Photos = Mapping[str, bytes | None]

FULL = ("FullImport", "FullSync")
PROFILES = {name: "".join(map(str.title, name.split("_"))) for name in {run.split()[1] for run in RUN_ORDER}}
AGENTS = {"sharepoint": SHAREPOINT_AGENT, "directory": DIRECTORY_AGENT}
THE_FIX: tuple[Run, ...] = tuple((AGENTS[run.split()[0]], PROFILES[run.split()[1]]) for run in RUN_ORDER)
"""The fix's own runs, in their own order."""
TO_THE_EXPORT = THE_FIX[: THE_FIX.index((DIRECTORY_AGENT, "Export")) + 1]
DIRECTORY_FIRST: tuple[Run, ...] = tuple(
    (agent, profile) for agent in (DIRECTORY_AGENT, SHAREPOINT_AGENT) for profile in (*FULL, "Export")
)
"""One agent after the other, as somebody does who was told "full import, full sync and export on both"."""
EXPORT_AT_ONCE: tuple[Run, ...] = ((DIRECTORY_AGENT, "Export"),)
SYNCHRONISED_IN_BETWEEN: tuple[Run, ...] = (
    (DIRECTORY_AGENT, "FullSync"),
    *((SHAREPOINT_AGENT, profile) for profile in FULL),
    (DIRECTORY_AGENT, "Export"),
)
"""Somebody's schedule synchronises the directory while the SharePoint connector space is empty."""

REFUSED = r"the fix must not go on, \d hazards?: "
ORDER_REFUSED = "run_order is .*begin with 'sharepoint full_import' and 'sharepoint full_sync'"


@dataclass(frozen=True)
class Harm:
    """Accounts by what has become of them in the directory."""

    deleted: frozenset[str] = frozenset()
    lost: frozenset[str] = frozenset()
    reverted: frozenset[str] = frozenset()
    overwritten: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Site:
    """A farm before anybody does anything to it; ``older`` are the photos before its last export."""

    practice: Practice
    before: Photos = field(repr=False)
    older: Photos = field(repr=False)

    def accounts(self, chosen: Callable[[Person], bool]) -> frozenset[str]:
        """Return the accounts of the people chosen among those that the directory agent covers."""
        covered = (person for person in self.practice.farm.people if person.organizational_unit == "Staff")
        return frozenset(f"contoso\\{person.account_name}".lower() for person in covered if chosen(person))

    @property
    def everybody(self) -> frozenset[str]:
        """Everybody's account."""
        return self.accounts(lambda person: person.in_directory)

    @property
    def with_photo(self) -> frozenset[str]:
        """The accounts with a photo."""
        return frozenset(account for account in self.everybody if self.before[account])

    def whose(self, verdict: str) -> frozenset[str]:
        """Return the accounts with a verdict before the fix."""
        return self.accounts(lambda person: person.expected_before == verdict)

    def harm(self, now: Photos) -> Harm:
        """Say what was done to the directory that the fix was not to do."""
        held = {account: photo for account, photo in self.before.items() if photo}
        changed = {account for account, photo in held.items() if now.get(account) not in {None, photo}}
        reverted = {account for account in changed if now[account] == self.older[account]}
        return Harm(
            deleted=frozenset(self.before) - frozenset(now),
            lost=frozenset(account for account in held if account in now and not now[account]),
            reverted=frozenset(reverted),
            overwritten=frozenset(changed - reverted) - self.whose("stale"),
        )


@dataclass(frozen=True)
class Hazard:
    """One way to lose photos.

    Parameters
    ----------
    rules : callable
        MIM's configuration.
    harm : callable
        What ``runs`` do to a site when nobody looks.
    runs : tuple of Run
        What is run once the connector space has been deleted.
    refusal : str
        What the kit says, as a pattern.
    run_order : tuple of str
        What the kit is told to run; by default its own order.
    provisioning : bool
        Whether provisioning is left on.
    unconfirmed : bool
        Whether the newest photo was exported to the directory, and no import has confirmed it yet.
    """

    rules: Callable[[], Rules]
    harm: Callable[[Site], Harm]
    runs: tuple[Run, ...] = TO_THE_EXPORT
    refusal: str = REFUSED
    run_order: tuple[str, ...] = ()
    provisioning: bool = False
    unconfirmed: bool = False


def everybody_lost(site: Site) -> Harm:
    return Harm(lost=site.with_photo)


def everybody_of_sharepoint_lost(site: Site) -> Harm:
    return Harm(lost=site.with_photo - site.whose("missing_in_sharepoint"))


def accounts_deleted(site: Site) -> Harm:
    return Harm(deleted=site.everybody)


def only_in_the_directory_lost(site: Site) -> Harm:
    return Harm(lost=site.whose("missing_in_sharepoint"))


def newest_reverted(site: Site) -> Harm:
    return Harm(reverted=frozenset({newcomer(site.practice)}))


def only_in_the_directory_overwritten(site: Site) -> Harm:
    return Harm(overwritten=site.whose("missing_in_sharepoint"))


def unguarded(rules: Rules) -> Rules:
    """Return rules without what keeps an empty photo from the directory: a second provider, suppression."""
    flows = [replace(flow, suppress_deletions=False) for flow in rules.by_name[DIRECTORY_AGENT].export_flows]
    second = ImportFlow("photo", DIRECTORY_AGENT, "thumbnailPhoto")
    kept = tuple(flow for flow in rules.import_flows if flow != second)
    return replace(rules.with_agent(DIRECTORY_AGENT, export_flows=tuple(flows)), import_flows=kept)


def with_doubles() -> Rules:
    """Return rules with recall whose provisioning code makes a second object of everybody."""
    rules = field_rules(recall=True)
    assert rules.provisioning
    return replace(rules, provisioning=replace(rules.provisioning, knows_anchor=False))


EARLY_EXPORT = ("directory export", *RUN_ORDER)
CASES: Mapping[str, Hazard] = {
    "recall without a second provider": Hazard(
        HAZARDS["recall without a second provider"], everybody_lost, DIRECTORY_FIRST
    ),
    "recall and nobody joins again": Hazard(HAZARDS["recall and nobody joins again"], everybody_lost),
    "photos that SharePoint does not have": Hazard(
        HAZARDS["photos that SharePoint does not have"], only_in_the_directory_lost
    ),
    "a deletion rule that names SharePoint": Hazard(
        HAZARDS["a deletion rule that names SharePoint"], everybody_lost
    ),
    "a deletion rule that does not count the directory": Hazard(
        HAZARDS["a deletion rule that does not count the directory"], everybody_lost
    ),
    "a deletion rule that takes accounts": Hazard(
        HAZARDS["a deletion rule that takes accounts"], accounts_deleted
    ),
    "code that takes accounts": Hazard(HAZARDS["code that takes accounts"], accounts_deleted),
    "a last connector that takes accounts": Hazard(
        HAZARDS["a last connector that takes accounts"], accounts_deleted
    ),
    "pictures are never imported, nulls allowed": Hazard(
        lambda: unguarded(OBSTACLES["pictures are never imported"]()), everybody_lost
    ),
    "a picture that is not selected, nulls allowed": Hazard(
        lambda: unguarded(OBSTACLES["a picture that is not selected"]()), everybody_lost
    ),
    "both directions": Hazard(
        OBSTACLES["both directions"], only_in_the_directory_overwritten, (*THE_FIX, *EXPORT_AT_ONCE)
    ),
    "an export before the full synchronisation": Hazard(
        HAZARDS["recall without a second provider"],
        everybody_of_sharepoint_lost,
        EXPORT_AT_ONCE,
        ORDER_REFUSED,
        EARLY_EXPORT,
    ),
    "a second provider with the old photo": Hazard(
        partial(field_rules, recall=True),
        newest_reverted,
        EXPORT_AT_ONCE,
        ORDER_REFUSED,
        EARLY_EXPORT,
        unconfirmed=True,
    ),
    "provisioning left on": Hazard(
        with_doubles,
        newest_reverted,
        SYNCHRONISED_IN_BETWEEN,
        "gate 'provisioning_off' was not seen done.*says provisioning is on",
        provisioning=True,
        unconfirmed=True,
    ),
}


def newcomer(practice: Practice) -> str:
    """Return the account of whoever has the newest photo."""
    return practice.somebody("in_sync").lower()


def in_force(practice: Practice, rules: Rules) -> None:
    """Put a configuration in force and export it, as at miisclient."""
    practice.farm.engine.change_rules(rules)
    press(
        practice.farm.console.url,
        "/export-configuration",
        {"folder": str(practice.farm.configuration_folder)},
    )


def settle(practice: Practice, rules: Rules, *, unconfirmed: bool) -> Site:
    """Furnish a farm for a hazard, and measure it."""
    older = practice.photos()
    if unconfirmed:
        practice.farm.sharepoint.store.upload(newcomer(practice), portrait(4711, size=300))
        practice.run(SHAREPOINT_AGENT, "DeltaImport", "DeltaSync")
        practice.run(DIRECTORY_AGENT, "Export")
    in_force(practice, rules)
    practice.measured()
    return Site(practice, practice.photos(), older)


def do_by_hand(practice: Practice, runs: tuple[Run, ...], *, provisioning: bool = False) -> list[str]:
    """Do the fix without the kit: nothing is read, compared or refused."""
    press(practice.farm.console.url, "/provisioning", {"enabled": provisioning})
    press(practice.farm.console.url, deletion_path(SHAREPOINT_AGENT))
    with sources.synchronization(practice.case) as service:
        return [service.execute(agent, profile).status for agent, profile in runs]


@dataclass(frozen=True)
class Met:
    """What came of a hazard."""

    refusal: str
    state: tuple[tuple[object, ...], ...] = field(repr=False)
    harm: Harm
    expected: Harm


def kit_refusal(practice: Practice, hazard: Hazard) -> str:
    """Carry out the fix with the kit; return what it says."""
    try:
        chosen = practice.plan(*hazard.run_order, limit=100.0)
        practice.fix(chosen, operator=not hazard.provisioning, gate_seconds=0.2)
    except KitError as error:
        return str(error)
    return ""


def everything(practice: Practice) -> tuple[object, ...]:
    """Return photos, runs and connector spaces: whatever the fix writes first would show here."""
    objects = {agent: practice.farm.engine.counters(agent) for agent in practice.farm.engine.agents}
    return *practice.state(), objects


@pytest.fixture(scope="module", params=CASES)
def met(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Met]:
    """Meet a hazard on a farm of its own: with the kit, then without."""
    hazard = CASES[request.param]
    with start(tmp_path_factory) as farm:
        practice = Practice(farm)
        site = settle(practice, hazard.rules(), unconfirmed=hazard.unconfirmed)
        before = everything(practice)
        refusal = kit_refusal(practice, hazard)
        state = before, everything(practice)
        do_by_hand(practice, hazard.runs, provisioning=hazard.provisioning)
        yield Met(refusal, state, site.harm(practice.photos()), hazard.harm(site))


def start(tmp_path_factory: pytest.TempPathFactory) -> Farm:
    folder: Path = tmp_path_factory.mktemp("farm")
    return lab.start(folder, users=20, outputs=folder / "outputs", case_id="practice")


def test_without_the_kit_the_directory_is_harmed(met: Met) -> None:
    assert met.expected != Harm()
    assert met.harm == met.expected


def test_the_kit_says_what_is_wrong(met: Met, request: pytest.FixtureRequest) -> None:
    hazard = CASES[request.node.callspec.params["met"]]
    assert re.match(hazard.refusal, met.refusal), met.refusal


def test_with_the_kit_nothing_is_run_or_written(met: Met) -> None:
    before, after = met.state
    assert after == before


def test_every_hazard_of_the_lab_is_met_here() -> None:
    assert set(HAZARDS) <= set(CASES)


# What is harmless, done the same way.


def test_with_safe_rules_the_directory_is_not_harmed_even_so(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    with start(tmp_path_factory) as farm:
        practice = Practice(farm)
        site = settle(practice, field_rules(), unconfirmed=True)
        do_by_hand(practice, SYNCHRONISED_IN_BETWEEN)
        assert site.harm(practice.photos()) == Harm()


# Configurations under which the fix would be in vain.


@pytest.fixture(scope="module")
def untouched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Practice]:
    with start(tmp_path_factory) as farm:
        practice = Practice(farm)
        practice.measured()
        yield practice


@pytest.mark.parametrize("name", OBSTACLES)
def test_the_kit_does_nothing_where_the_fix_would_be_in_vain(untouched: Practice, name: str) -> None:
    in_force(untouched, OBSTACLES[name]())
    before = everything(untouched)
    assert kit_refusal(untouched, Hazard(OBSTACLES[name], harm=lambda _: Harm()))
    assert everything(untouched) == before


@pytest.mark.parametrize("name", [name for name in OBSTACLES if name != "both directions"])
def test_without_the_kit_the_fix_is_in_vain(name: str) -> None:
    farm = case_farm()
    farm.upload("anna", b"new photo")
    farm.run(SHAREPOINT_AGENT, *FULL)
    farm.engine.change_rules(replace(OBSTACLES[name](), provisioning_enabled=False))
    farm.engine.delete_connector_space(SHAREPOINT_AGENT)
    for agent, profile in THE_FIX:
        farm.run(agent, profile)
    assert farm.photo("anna") == b"old photo"
