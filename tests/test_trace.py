"""Photos followed hop by hop: through files written by hand, and on a practice farm both ways."""

from __future__ import annotations

import base64
import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import cases
import pandas as pd
import pytest
from practice import Practice

from kit import configuration, plan, sources, trace
from kit.csexport import export
from kit.endpoint import Endpoint
from kit.errors import NotFoundError, UnreachableError
from kit.lab import farm as lab
from kit.lab import portraits, saved
from kit.lab.endpoint import Trouble
from kit.lab.farm import Farm
from kit.lab.rules import Rules
from kit.lab.site import OBSTACLES, field_rules
from kit.mim import SynchronizationService
from kit.schema import HOPS, TIME, TRACE
from kit.shell import CommandShell
from kit.store import PhotoStore

NEW = portraits.portrait(3)
THUMBNAIL = portraits.reencode(NEW, 72)
OLD = portraits.portrait(3, sitting_seed=1, size=96)
AGENTS = {"directory_agent": "ADMA", "sharepoint_agent": "SPMA"}
NOWHERE = Endpoint("http://127.0.0.1:9/wsman", "CONTOSO\\kit", "none")
"""Where no service listens: whoever asks it fails."""


# Through files written by hand


def attribute(name: str, photo: bytes | str) -> str:
    """Return an attribute of a hologram; text is a value as it is."""
    if isinstance(photo, str):
        return f'<attr name="{name}"><value>{photo}</value></attr>'
    return f'<attr name="{name}"><value encoding="base64">{base64.b64encode(photo).decode()}</value></attr>'


def item(dn: str, agent: str, content: str, **given: str) -> str:
    """Return one object of a file of csexport."""
    basics = {"ma-name": agent, **given}
    told = "".join(f"<{tag}>{text}</{tag}>" for tag, text in basics.items())
    return f'<cs-object cs-dn="{dn}" id="{{{agent} {dn}}}" object-type="user">{content}{told}</cs-object>'


def layer(tag: str, name: str, photo: bytes | str | None, *others: str) -> str:
    values = attribute(name, photo) if photo else ""
    return f"<{tag}><entry>{values}{''.join(others)}</entry></{tag}>"


def directory_object(
    hologram: bytes | None = OLD,
    *,
    pending: str = "",
    unconfirmed: bytes | None = None,
    joined: str = "<mv-link>{M}</mv-link>",
    name: str = "anna",
) -> str:
    content = layer("synchronized-hologram", "thumbnailPhoto", hologram) + joined
    if pending:
        content += f"<unapplied-export>{pending}</unapplied-export>"
    if unconfirmed:
        content += layer("unconfirmed-export-hologram", "thumbnailPhoto", unconfirmed)
    account = {"domain-name": "CONTOSO", "account-name": name}
    return item(f"CN={name},DC=contoso", "ADMA", content, **account)


def sharepoint_object(
    hologram: bytes | str | None = OLD,
    *,
    pending: bytes | None = None,
    joined: str = "<mv-link>{M}</mv-link>",
    account: str = "CONTOSO\\Anna",
    dn: str = "anna",
) -> str:
    whose = attribute("AccountName", account)
    content = layer("synchronized-hologram", "Picture", hologram, whose) + joined
    if pending:
        content += layer("pending-import-hologram", "Picture", pending, whose)
    return item(dn, "SPMA", content)


def update(photo: bytes) -> str:
    return f'<delta operation="update">{attribute("thumbnailPhoto", photo)}</delta>'


REMOVAL = '<delta operation="update"><attr name="thumbnailPhoto" operation="delete"/></delta>'
PHONE = f'<delta operation="update">{attribute("telephoneNumber", "1")}</delta>'
DELETION = '<delta operation="delete"/>'


@dataclass
class Files:
    """A folder of csexport, a store, and a person named anna."""

    folder: Path
    store: PhotoStore

    def write(self, directory: str = "", sharepoint: str = "") -> None:
        """Write both agents' objects, and somebody else's so that no file is empty."""
        nobody = {"name": "nobody", "joined": ""}
        others = directory_object(**nobody), sharepoint_object(joined="", account="", dn="nobody")
        for agent, objects, other in zip(("ADMA", "SPMA"), (directory, sharepoint), others, strict=True):
            document = f"<cs-objects>{other}{objects}</cs-objects>"
            (self.folder / f"{agent}.xml").write_text(document, encoding="utf-8")

    def person(self, directory: bytes | None = OLD, **changes: object) -> pd.DataFrame:
        """Return anna, with a new picture in SharePoint and this one in the directory."""
        photos = {"sharepoint_sha256": self.store.put(THUMBNAIL)}
        photos["directory_sha256"] = self.store.put(directory) if directory else ""
        row = {"account": "contoso\\anna", "profile_account": "CONTOSO\\Anna", **photos, **changes}
        return cases.people({**row, "distinguished_name": "CN=anna,DC=contoso"})

    def follow(
        self, directory: str, sharepoint: str, people: pd.DataFrame | None = None, **options: object
    ) -> pd.Series:
        """Follow her photo through these objects, without a service."""
        self.write(directory, sharepoint)
        chosen = self.person() if people is None else people
        service = SynchronizationService(NOWHERE)
        found = trace.follow(chosen, service, self.store, csexport_folder=self.folder, **AGENTS, **options)
        assert found.dtypes.astype(str).to_dict() == TRACE
        return found.iloc[0]


@pytest.fixture
def files(tmp_path: Path) -> Iterator[Files]:
    with PhotoStore(":memory:") as store:
        yield Files(tmp_path, store)


@pytest.mark.parametrize(
    ("directory", "sharepoint", "shown", "stopped_at"),
    [
        ("", "", OLD, "sharepoint_connector_space"),
        (directory_object(), sharepoint_object(), OLD, "sharepoint_connector_space"),
        (directory_object(), sharepoint_object(joined="", pending=NEW), OLD, "metaverse"),
        (directory_object(joined=""), sharepoint_object(NEW), OLD, "metaverse"),
        (directory_object(), sharepoint_object(pending=NEW), OLD, "metaverse"),
        (directory_object(), sharepoint_object(NEW), OLD, "unknown"),
        (directory_object(pending=update(NEW)), sharepoint_object(NEW), OLD, "active_directory"),
        (directory_object(unconfirmed=NEW), sharepoint_object(NEW), OLD, "active_directory"),
        (directory_object(NEW), sharepoint_object(NEW), OLD, "active_directory"),
        (directory_object(NEW), sharepoint_object(NEW), NEW, ""),
    ],
)
def test_a_photo_is_followed_to_the_hop_where_it_stopped(
    files: Files, directory: str, sharepoint: str, shown: bytes, stopped_at: str
) -> None:
    found = files.follow(directory, sharepoint, files.person(shown))
    assert (found["traced"], found["source"], found["stopped_at"]) == (True, "csexport", stopped_at)


@pytest.mark.parametrize(
    ("rules", "stopped_at"),
    [
        (field_rules(), "ad_connector_space"),
        (OBSTACLES["the directory first"](), "metaverse"),
        (OBSTACLES["no photo to the directory"](), "ad_connector_space"),
    ],
)
def test_the_configuration_tells_what_reaches_the_metaverse(
    files: Files, tmp_path: Path, rules: Rules, stopped_at: str
) -> None:
    saved.save(rules, tmp_path / "configuration", datetime(2024, 5, 1, tzinfo=UTC))
    known = configuration.read(tmp_path / "configuration")
    found = files.follow(directory_object(), sharepoint_object(NEW), configuration=known)
    assert found["stopped_at"] == stopped_at


def test_every_picture_on_the_way_is_in_the_store(files: Files) -> None:
    directory = directory_object(OLD, pending=update(NEW), unconfirmed=b"between")
    found = files.follow(directory, sharepoint_object(OLD, pending=THUMBNAIL))
    kept = [
        files.store.get(found[f"{column}_sha256"])
        for column in ("sharepoint_connector_space", "pending_import", "ad_connector_space", "pending_export")
    ]
    assert kept == [OLD, THUMBNAIL, OLD, NEW]
    assert files.store.get(found["unconfirmed_export_sha256"]) == b"between"


def test_of_somebody_who_was_not_asked_for_nothing_is_kept(files: Files) -> None:
    files.follow(
        directory_object(NEW, name="berta", joined=""),
        sharepoint_object(joined="", dn="berta", account="berta"),
    )
    assert files.store.count() == 2


def test_objects_are_joined_by_the_names_of_each_other_too(files: Files) -> None:
    links = "".join(
        f"<cs-mv-value><cs-guid>{{{guid}}}</cs-guid></cs-mv-value>"
        for guid in ("ADMA CN=anna,DC=contoso", "SPMA odd")
    )
    joined = f"<cs-mv-links>{links}</cs-mv-links>"
    found = files.follow(
        directory_object(joined=joined), sharepoint_object(joined=joined, account="", dn="odd")
    )
    assert (found["joined"], found["sharepoint_object"], found["metaverse_guid"]) == (True, "odd", "")


def test_an_object_that_does_not_say_whose_it_is_is_known_by_its_name(files: Files) -> None:
    silent = directory_object().replace("<account-name>anna</account-name>", "")
    assert files.follow(silent, sharepoint_object())["directory_guid"] == "{ADMA CN=anna,DC=contoso}"


def test_an_account_without_its_domain_tells_whose_object_it_is(files: Files) -> None:
    own = item("x", "SPMA", layer("synchronized-hologram", "Picture", NEW), **{"account-name": "Anna"})
    assert files.follow(directory_object(), own)["sharepoint_connector_space"] == "current"


def test_an_object_that_somebody_else_is_joined_to_is_of_the_same_name_in_another_domain(
    files: Files,
) -> None:
    theirs = "<mv-link>{M2}</mv-link>"
    namesake = directory_object(joined=theirs).replace("CONTOSO", "FABRIKAM").replace("DC=contoso", "DC=f")
    found = files.follow(namesake + directory_object(), sharepoint_object(account="Anna", joined=theirs))
    assert (found["sharepoint_connector_space"], found["sharepoint_object"]) == ("absent", "")


def test_of_two_objects_of_one_name_the_joined_one_counts(files: Files) -> None:
    """While a rename is under way, a transient object stands under the same name."""
    transient = directory_object(None, joined="").replace('id="{ADMA', 'transient="true" id="{T ADMA')
    assert files.follow(transient + directory_object(), sharepoint_object())["joined"]


def test_older_names_of_the_layers_in_utf_16_are_read(files: Files) -> None:
    files.write(directory_object(), sharepoint_object(pending=NEW))
    for file in files.folder.glob("*.xml"):
        text = file.read_text(encoding="utf-8").replace("synchronized-hologram", "hologram")
        text = text.replace("pending-import-hologram", "import-hologram")
        file.write_text(text, encoding="utf-16")
    service = SynchronizationService(NOWHERE)
    found = trace.follow(files.person(), service, files.store, csexport_folder=files.folder, **AGENTS)
    assert found.iloc[0][["source", "sharepoint_connector_space", "pending_import"]].tolist() == [
        "csexport",
        "old",
        "current",
    ]


def test_an_export_in_progress_awaits_its_confirmation(files: Files) -> None:
    exporting = layer("escrowed-export-hologram", "thumbnailPhoto", NEW)
    directory = directory_object(joined=f"{exporting}<mv-link>{{M}}</mv-link>", unconfirmed=b"before")
    found = files.follow(directory, sharepoint_object(NEW))
    assert (found["unconfirmed_export"], found["stopped_at"]) == ("current", "active_directory")


def test_another_attribute_of_the_directory_is_no_hop(files: Files) -> None:
    elsewhere = f'<delta operation="update">{attribute("jpegPhoto", NEW)}</delta>'
    found = files.follow(directory_object(pending=elsewhere), sharepoint_object(NEW))
    assert (found["pending_export"], found["export_operation"]) == ("none", "update")


def test_the_joined_object_may_be_another_persons(files: Files) -> None:
    own = sharepoint_object(NEW, joined="")
    found = files.follow(directory_object(), sharepoint_object(account="FABRIKAM\\Anna", dn="x") + own)
    assert (found["sharepoint_object"], found["sharepoint_object_account"]) == ("x", "fabrikam\\anna")


def test_of_several_joined_objects_the_persons_own_counts(files: Files) -> None:
    other = sharepoint_object(account="FABRIKAM\\Anna", dn="a")
    found = files.follow(directory_object(), other + sharepoint_object())
    assert (found["sharepoint_objects"], found["sharepoint_object"]) == (2, "anna")


def test_the_same_name_in_another_domain_is_another_person(files: Files) -> None:
    other = sharepoint_object(joined="", account="FABRIKAM\\Anna")
    assert files.follow(directory_object(), other)["sharepoint_connector_space"] == "absent"


@pytest.mark.parametrize(("account", "told"), [("Anna", ""), ("Berta", "berta"), ("", "")])
def test_a_name_without_its_domain_tells_only_that_it_is_another(
    files: Files, account: str, told: str
) -> None:
    found = files.follow(directory_object(), sharepoint_object(account=account))
    assert found["sharepoint_object_account"] == told


def test_somebody_without_an_account_in_the_directory_is_found_by_the_profiles(files: Files) -> None:
    leaver = files.person(None, in_directory=False, distinguished_name="")
    found = files.follow("", sharepoint_object(NEW, joined=""), leaver)
    assert (found["sharepoint_connector_space"], found["joined"]) == ("current", False)
    assert pd.isna(found["sharepoint_objects"])


@pytest.mark.parametrize(
    ("pending", "operation", "removal"),
    [("", "", False), (PHONE, "update", False), (REMOVAL, "update", True), (DELETION, "delete", True)],
)
def test_a_removal_that_waits_is_told(files: Files, pending: str, operation: str, removal: bool) -> None:
    found = files.follow(directory_object(pending=pending), sharepoint_object())
    assert (found["pending_export"], found["export_operation"]) == ("none", operation)
    assert found["removal_pending"] == removal


def test_an_address_instead_of_the_picture_is_unknown(files: Files) -> None:
    found = files.follow(directory_object(), sharepoint_object("https://my/anna_MThumb.jpg"))
    assert (found["sharepoint_connector_space"], found["stopped_at"]) == ("unknown", "unknown")


def asks_the_service(files: Files, **options: object) -> None:
    with pytest.raises(UnreachableError):
        trace.follow(
            files.person(),
            SynchronizationService(NOWHERE),
            files.store,
            csexport_folder=files.folder,
            **AGENTS,
            **options,
        )


def test_a_file_of_pending_exports_alone_is_not_used(files: Files) -> None:
    pending = item("CN=anna", "ADMA", f"<unapplied-export>{update(NEW)}</unapplied-export>")
    files.write()
    (files.folder / "ADMA.xml").write_text(f"<cs-objects>{pending}</cs-objects>", encoding="utf-8")
    asks_the_service(files)


def test_a_file_without_holograms_is_not_used(files: Files) -> None:
    files.write()
    (files.folder / "SPMA.xml").write_text(
        f"<cs-objects>{item('anna', 'SPMA', '')}</cs-objects>", encoding="utf-8"
    )
    asks_the_service(files)


def test_a_folder_without_one_agents_file_is_not_used(files: Files) -> None:
    files.write()
    (files.folder / "SPMA.xml").unlink()
    asks_the_service(files)


def test_a_file_that_breaks_off_is_not_used(files: Files) -> None:
    files.write(directory_object())
    text = (files.folder / "ADMA.xml").read_text(encoding="utf-8")
    (files.folder / "ADMA.xml").write_text(text[:-40], encoding="utf-8")
    asks_the_service(files)


def test_a_file_from_before_the_last_run_is_not_used(files: Files) -> None:
    files.write()
    times = {"started": pd.Timestamp.now("UTC"), "ended": pd.Timestamp.now("UTC")}
    run = {"agent": "SPMA", "run_number": 1, "run_profile": "Export", "status": "success", **times}
    os.utime(files.folder / "SPMA.xml", (0, 0))
    asks_the_service(files, history=pd.DataFrame([run]))


def test_a_file_from_before_a_run_in_progress_is_not_used(files: Files) -> None:
    files.write()
    times = {"started": pd.Timestamp.now("UTC"), "ended": pd.NaT}
    run = {"agent": "SPMA", "run_number": 1, "run_profile": "Export", "status": "in-progress", **times}
    os.utime(files.folder / "SPMA.xml", (0, 0))
    asks_the_service(files, history=pd.DataFrame([run]).assign(ended=pd.Series([None], dtype=TIME)))


# On a practice farm, through the service and through files of csexport


@dataclass(frozen=True)
class Followed:
    """The same people, followed both ways."""

    farm: Farm
    practice: Practice
    people: pd.DataFrame
    service: SynchronizationService
    store: PhotoStore
    one_by_one: pd.DataFrame
    in_bulk: pd.DataFrame


@pytest.fixture(scope="module")
def followed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Followed]:
    folder = tmp_path_factory.mktemp("farm")
    with lab.start(folder, users=40, outputs=folder / "outputs", case_id="practice") as farm:
        practice = Practice(farm)
        people = practice.measured().people
        administrator = Endpoint(farm.wsman.url, "CONTOSO\\svc-mim", farm.passwords["svc-mim"])
        (folder / "csexport").mkdir()
        with CommandShell(administrator) as shell:
            for agent in AGENTS.values():
                export(shell, agent, pending_only=False, folder=folder / "csexport")
        with (
            sources.synchronization(practice.case) as service,
            sources.sharepoint(practice.case) as sharepoint,
            practice.folder.store("before") as store,
        ):
            known = {
                "configuration": plan.read_configuration(practice.case),
                "history": service.run_history(),
                "changes": sharepoint.changes().changes,
            }
            yield Followed(
                farm,
                practice,
                people,
                service,
                store,
                one_by_one=trace.follow(people, service, store, **AGENTS, **known),
                in_bulk=trace.follow(
                    people, service, store, csexport_folder=folder / "csexport", **AGENTS, **known
                ),
            )


def test_both_ways_give_the_same(followed: Followed) -> None:
    assert set(followed.one_by_one["source"]) == {"wmi"}
    assert set(followed.in_bulk["source"]) == {"csexport"}
    pd.testing.assert_frame_equal(followed.one_by_one.assign(source="csexport"), followed.in_bulk)


def of_story(followed: Followed, story: str) -> pd.DataFrame:
    names = [
        f"contoso\\{person.account_name}".lower() for person in followed.farm.people if person.story == story
    ]
    return followed.one_by_one[followed.one_by_one["account"].isin(names)]


@pytest.mark.parametrize(
    ("story", "stopped_at", "held"),
    [
        ("in_sync", "", "current"),
        ("stale", "sharepoint_connector_space", "old"),
        ("uploaded_since", "sharepoint_connector_space", "none"),
        ("missing_in_sharepoint", "sharepoint", "none"),
        ("missing_in_ad", "metaverse", "current"),
        ("unmatched_sharepoint", "metaverse", "current"),
        ("unmatched_directory", "sharepoint", "absent"),
        ("unreadable_for_kit", "unknown", "unknown"),
    ],
)
def test_everybodys_photo_stopped_as_their_story_says(
    followed: Followed, story: str, stopped_at: str, held: str
) -> None:
    found = of_story(followed, story)
    assert set(found["stopped_at"]) == {stopped_at}
    assert set(found["sharepoint_connector_space"]) == {held}


def test_the_case_shows_in_the_times(followed: Followed) -> None:
    """A full import has run since every upload, and a delta import has not."""
    stale = of_story(followed, "stale")
    recent = stale[stale["change_logged_at"].notna()]
    assert len(recent) > 0
    assert recent["full_import_since"].all()
    assert not recent["delta_import_since"].any()


def test_a_failure_costs_one_person_and_nobody_else(
    followed: Followed, caplog: pytest.LogCaptureFixture
) -> None:
    def failing(items, description, total):  # noqa: ARG001 - the signature of Progress
        for number, one in enumerate(items):
            if (description, number) == ("connector spaces", 1):
                followed.farm.wsman.faults.arrange("Enumerate", Trouble.DENIED)
            yield one

    people = followed.people.head(4)
    found = trace.follow(people, followed.service, followed.store, **AGENTS, progress=failing)
    assert found["traced"].tolist() == [True, False, True, True]
    assert {found[hop].iloc[1] for hop in HOPS} == {"unknown"}
    assert people["account"].iloc[1] in caplog.text


def test_a_service_that_is_gone_is_not_asked_for_everybody(
    followed: Followed, caplog: pytest.LogCaptureFixture
) -> None:
    def failing(items, description, total):  # noqa: ARG001 - the signature of Progress
        for one in items:
            if description == "connector spaces":
                followed.farm.wsman.faults.arrange("Enumerate", Trouble.DENIED)
            yield one

    found = trace.follow(followed.people, followed.service, followed.store, **AGENTS, progress=failing)
    assert not found["traced"].any()
    assert caplog.text.count("could not be looked up") == 5


@pytest.mark.parametrize(
    "account", ["contoso\\o'brien", 'contoso\\a"b', "contoso\\", "\\anna", "i:05.t|adfs|a'b"]
)
def test_any_account_can_be_asked_for(followed: Followed, account: str) -> None:
    quoted = {"account": account, "distinguished_name": f"CN=O'Brien \\\\ {account},DC=contoso,DC=example"}
    found = trace.follow(cases.people(quoted), followed.service, followed.store, **AGENTS).iloc[0]
    assert (found["traced"], found["ad_connector_space"]) == (True, "absent")


@pytest.mark.parametrize("limit", [0, 3])
def test_nobody_is_looked_up_where_there_is_nobody_or_the_limit_says_so(
    followed: Followed, limit: int
) -> None:
    chosen = followed.people.head(0 if limit else 2)
    found = trace.follow(chosen, followed.service, followed.store, limit=limit, **AGENTS)
    assert (len(found), found["traced"].any()) == (len(chosen), False)


def test_an_agent_that_does_not_exist_is_told(followed: Followed) -> None:
    agents = AGENTS | {"directory_agent": "AD"}
    with pytest.raises(NotFoundError, match="'AD'"):
        trace.follow(followed.people, followed.service, followed.store, **agents)


def test_beyond_the_limit_nobody_is_looked_up(followed: Followed, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    found = trace.follow(followed.people, followed.service, followed.store, limit=9, **AGENTS)
    assert (found["traced"].sum(), len(found)) == (9, len(followed.people))
    assert set(found.loc[~found["traced"], "stopped_at"]) == {"unknown"}
    assert f"{len(found) - 9} of {len(found)} people are not looked up" in caplog.text


# Choosing and telling


def crowd() -> pd.DataFrame:
    verdicts = ["stale"] * 50 + ["uncertain"] * 3 + ["missing_in_ad"] * 20
    return cases.people(*({"account": f"{n:02}", "verdict": name} for n, name in enumerate(verdicts)))


def test_a_sample_is_even_over_the_verdicts() -> None:
    chosen = trace.sample(crowd(), 15)["verdict"].value_counts().to_dict()
    assert chosen == {"stale": 6, "missing_in_ad": 6, "uncertain": 3}


def test_a_sample_is_the_same_in_any_order() -> None:
    chosen = [set(trace.sample(people, 15)["person"]) for people in (crowd(), crowd().iloc[::-1])]
    assert chosen[0] == chosen[1]


def test_a_sample_larger_than_the_crowd_is_everybody_in_order() -> None:
    pd.testing.assert_frame_equal(trace.sample(crowd(), 100), crowd())


def stopped(*hops: str) -> pd.DataFrame:
    return pd.DataFrame({"traced": True, "stopped_at": list(hops)})


def test_people_are_counted_by_the_hop() -> None:
    found = trace.counts(stopped("metaverse", "", "unknown", "metaverse", "sharepoint"))
    assert found.to_dict() == dict.fromkeys(HOPS, 0) | {"metaverse": 2, "sharepoint": 1}


def test_the_conclusion_names_every_place() -> None:
    found = stopped("sharepoint", "metaverse", "", "unknown", "metaverse")
    assert trace.conclusion(found) == (
        "Of 5 photos followed, 1 stopped at SharePoint, 2 stopped at the metaverse, 1 arrived, "
        "1 cannot be told."
    )


def test_nobody_followed_is_said() -> None:
    assert trace.conclusion(stopped("unknown").assign(traced=False)) == "No photo was followed, of 1."


def test_nobody_is_an_empty_trace(files: Files) -> None:
    files.write()
    nobody = cases.people({"account": "x"}).head(0)
    found = trace.follow(
        nobody, SynchronizationService(NOWHERE), files.store, csexport_folder=files.folder, **AGENTS
    )
    assert (len(found), found.dtypes.astype(str).to_dict()) == (0, TRACE)
