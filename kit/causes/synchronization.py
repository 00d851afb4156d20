"""Causes in MIM's synchronization: joins, flows, precedence, code; between the two connector spaces."""

from __future__ import annotations

from functools import partial

import pandas as pd

from kit import signs
from kit.cause import Cause, graded
from kit.causes import failures
from kit.observation import Observation

_EXTENSION_ERRORS = ("extension-", "entry-point-not-implemented")
_TOLD_ELSEWHERE = (*_EXTENSION_ERRORS, "exported-change-not-reimported")
_DUPLICATE_ERRORS = ("cd-existing-object", "duplicate-anchor")
_STOPPED_BY_CODE = ("stopped-extension-dll-", "stopped-extensible-extension-error", "stopped-entry-point-")


def _not_joined(observation: Observation) -> pd.Series:
    apart = observation.people["joined"].eq(False).fillna(value=False).astype("bool")
    held = [
        ~observation.people[space].isin(["absent", "unknown"])
        for space in ("sharepoint_connector_space", "ad_connector_space")
    ]
    return graded(
        observation,
        confirmed=signs.affected(observation) & apart & held[0] & held[1] & ~_doubled(observation),
    )


def _joined_to_wrong_person(observation: Observation) -> pd.Series:
    people = observation.people
    joined = people["joined"].ne(False).fillna(value=True).astype("bool")
    wrong = signs.affected(observation) & joined & signs.other_profile(observation) & ~_doubled(observation)
    return graded(observation, confirmed=wrong)


def _provisioned_twice(observation: Observation) -> pd.Series:
    return graded(observation, confirmed=signs.affected(observation) & _doubled(observation))


def _doubled(observation: Observation) -> pd.Series:
    """Tell for whose existing profile a second object waits to be made, or could not be made."""
    people = observation.people
    both = people["in_directory"] & people["in_sharepoint"]
    refused = signs.incidents(observation, observation.sharepoint_agent, "export", *_DUPLICATE_ERRORS)
    return both & (people["sharepoint_export_operation"].eq("add") | refused)


def _deletions_pending(observation: Observation) -> pd.Series:
    people = observation.people
    both = signs.affected(observation) & people["in_directory"] & people["in_sharepoint"]
    pending = people["export_operation"].eq("delete") | people["sharepoint_export_operation"].eq("delete")
    return graded(observation, confirmed=both & pending)


def _deletions_counted(observation: Observation) -> str:
    counted = {agent: counters.get("NumExportDelete", 0) for agent, counters in observation.counters.items()}
    if counted.get(observation.directory_agent):
        return "confirmed"
    return "suspected" if any(counted.values()) else ""


def _tell_deletions(observation: Observation) -> str:
    counted = {agent: counters.get("NumExportDelete", 0) for agent, counters in observation.counters.items()}
    pending = ", ".join(f"{count:,} of {agent}" for agent, count in counted.items() if count)
    return f"Pending deletions: {pending}." if pending else ""


def _barred(name: str, observation: Observation) -> pd.Series:
    """Blame an obstacle between the connector spaces: surely on whose picture got there and no further."""
    barred = (
        signs.affected(observation)
        & signs.connected(observation)
        & (name in (signs.obstacles(observation) or {}))
    )
    waiting = barred & ~signs.left_metaverse(observation)
    return graded(observation, probable=waiting, confirmed=waiting & signs.reached(observation))


def _directory_takes_precedence(observation: Observation) -> pd.Series:
    """Blame precedence on those who have a photo in the directory: without one, SharePoint's is taken."""
    return _barred("directory_takes_precedence", observation).where(
        observation.people["directory_sha256"].ne(""), ""
    )


def _photos_flow_both_ways(observation: Observation) -> pd.Series:
    barred = signs.affected(observation) & signs.connected(observation)
    barred &= "photos_flow_both_ways" in (signs.obstacles(observation) or {})
    stopped = signs.is_in(observation, "stopped_at", "metaverse", "ad_connector_space")
    return graded(
        observation, probable=barred, confirmed=barred & stopped & ~signs.left_metaverse(observation)
    )


def _photo_removed_by_null_flow(observation: Observation) -> pd.Series:
    people = observation.people
    way = signs.flow(observation.configuration)
    if way is None:
        return graded(observation)
    empty = people["in_directory"] & people["directory_sha256"].eq("")
    empty &= people["verdict"].isin(["no_photo", "missing_in_ad"])
    written = people["directory_version"].gt(0).fillna(value=False).astype("bool")
    by_export = empty & written & people["writer"].eq("synchronization_service")
    removal = people["removal_pending"].fillna(value=False) & people["export_operation"].ne("delete")
    about_to = signs.affected(observation) & removal
    sends_nulls = any(not flow.suppress_deletions for flow in way.sharepoint.exports_to("Picture"))
    emptied = people["in_sharepoint"] & people["picture_url"].eq("") & people["directory_sha256"].eq("")
    return graded(
        observation,
        suspected=emptied & _changed_by_export(observation) & sends_nulls,
        probable=about_to & way.exports_deletions,
        confirmed=by_export & way.exports_deletions,
    )


def _changed_by_export(observation: Observation) -> pd.Series:
    """Tell whose picture in SharePoint was changed last while the SharePoint agent exported."""
    changed = observation.people["change_logged_at"]
    during = pd.Series(data=False, index=changed.index)
    exports = signs.runs_of(observation, observation.sharepoint_agent, "export").dropna(subset="ended")
    for started, ended in exports[["started", "ended"]].itertuples(index=False):
        during |= changed.between(started, ended)
    return during


def _rules_extension_fails(observation: Observation) -> pd.Series:
    failed = pd.Series(data=False, index=observation.people.index)
    for agent in (observation.sharepoint_agent, observation.directory_agent):
        failed |= signs.incidents(observation, agent, "import", *_EXTENSION_ERRORS)
    failed &= signs.affected(observation) & signs.connected(observation) & ~_doubled(observation)
    waits = signs.reached(observation) & ~signs.left_metaverse(observation) & signs.affected(observation)
    stopped = bool(_stopped_by_code(observation))
    return graded(observation, probable=waits & signs.connected(observation) & stopped, confirmed=failed)


def _synchronization_fails(observation: Observation) -> pd.Series:
    """Blame an error of the rules on whose photo waits before them, or may wait."""
    failed = failures.concerned(observation, "import", *_TOLD_ELSEWHERE) & signs.affected(observation)
    failed &= signs.connected(observation) & ~_doubled(observation) & ~signs.left_metaverse(observation)
    untraced = signs.is_in(observation, "sharepoint_connector_space", "unknown")
    return graded(observation, probable=failed & untraced, confirmed=failed & signs.reached(observation))


def _tell_failures(observation: Observation) -> str:
    return failures.tell("import", observation, *_TOLD_ELSEWHERE)


def _stopped_by_code(observation: Observation) -> str:
    """Say how code broke off an agent's last synchronization; empty where it did not."""
    for agent in (observation.sharepoint_agent, observation.directory_agent):
        status = signs.runs_of(observation, agent, "full sync", "delta sync")["status"].head(1)
        if status.str.startswith(_STOPPED_BY_CODE).any():
            return f"The last synchronization of {agent} ended with {status.iloc[0]}."
    return ""


def _code_failed(observation: Observation) -> str:
    return "confirmed" if _stopped_by_code(observation) else ""


CAUSES: tuple[Cause, ...] = (
    Cause(
        name="not_joined",
        symptom="a person's uploads never arrive, others' do",
        checked="both connector spaces and the join between them",
        evidence=("joined", "sharepoint_connector_space", "ad_connector_space"),
        cause="Both objects are there, but the SharePoint object is not joined to the person.",
        refuted_by="one metaverse object that holds both",
        fix=(
            "Correct the attribute that the join rule compares (UserName against accountName), then run a "
            "full synchronization of the SharePoint agent."
        ),
        next_notebook="",
        applies=_not_joined,
        needs=("trace",),
    ),
    Cause(
        name="joined_to_wrong_person",
        symptom="a person has another one's photo, or an old one that no upload changes",
        checked="the account of the SharePoint object that the person is joined to, and how many there are",
        evidence=("joined", "sharepoint_object_account", "sharepoint_objects"),
        cause="The person is joined to the profile of another account, or to more than one.",
        refuted_by="a single joined SharePoint object with the person's own account",
        fix=(
            "Disconnect the wrong object in miisclient.exe, join by an attribute that is unique across "
            "domains, then run a full synchronization of the SharePoint agent."
        ),
        next_notebook="",
        applies=_joined_to_wrong_person,
        needs=("trace",),
    ),
    Cause(
        name="directory_takes_precedence",
        symptom="whoever has a photo in Active Directory keeps it, whatever is uploaded",
        checked="the order of the import flows into the photo, and where photos stop",
        evidence=(
            "stopped_at",
            "sharepoint_connector_space",
            "directory_sha256",
            "farm: import-flows of the photo",
        ),
        cause="Active Directory's own photo wins over SharePoint's in the metaverse.",
        refuted_by="SharePoint's import flow as the first, ranked one",
        fix=(
            "In the Metaverse Designer put SharePoint first in the flow precedence of the photo; full "
            "synchronization."
        ),
        next_notebook="",
        applies=_directory_takes_precedence,
        needs=("configuration",),
        farm=partial(signs.barred, "directory_takes_precedence"),
        found=partial(signs.where, "directory_takes_precedence"),
    ),
    Cause(
        name="no_import_flow",
        symptom="no upload reaches Active Directory",
        checked="the import flows of the SharePoint agent, and where photos stop",
        evidence=("stopped_at", "sharepoint_connector_space", "farm: import-flow-set"),
        cause="SharePoint's picture does not flow into the metaverse.",
        refuted_by="an import flow from Picture of the SharePoint agent",
        fix=(
            "Add a direct import flow from Picture to photo on the SharePoint agent, then a full "
            "synchronization."
        ),
        next_notebook="",
        applies=partial(_barred, "no_import_flow"),
        needs=("configuration",),
        farm=partial(signs.barred, "no_import_flow"),
        found=partial(signs.where, "no_import_flow"),
    ),
    Cause(
        name="no_export_flow",
        symptom="no upload reaches Active Directory",
        checked="the export flows of the directory agent, and where photos stop",
        evidence=("stopped_at", "sharepoint_connector_space", "pending_export", "farm: export-flow-set"),
        cause="The photo does not flow from the metaverse to thumbnailPhoto.",
        refuted_by="an export flow to thumbnailPhoto on the directory agent",
        fix=(
            "Add a direct export flow from photo to thumbnailPhoto on the directory agent, with Allow Nulls "
            "not ticked, then a full synchronization."
        ),
        next_notebook="",
        applies=partial(_barred, "no_export_flow"),
        needs=("configuration",),
        farm=partial(signs.barred, "no_export_flow"),
        found=partial(signs.where, "no_export_flow"),
    ),
    Cause(
        name="photos_flow_both_ways",
        symptom="photos go back and forth, or an upload is overwritten in SharePoint",
        checked="the SharePoint agent's import and export flows of the picture",
        evidence=("stopped_at", "farm: export-flow to Picture"),
        cause="The SharePoint agent both imports and exports the picture, so that an old photo can win.",
        refuted_by="an export-flow-set of the SharePoint agent without Picture",
        fix="Remove the export flow to Picture from the SharePoint agent.",
        next_notebook="",
        applies=_photos_flow_both_ways,
        needs=("configuration",),
        farm=partial(signs.barred, "photos_flow_both_ways"),
        found=partial(signs.where, "photos_flow_both_ways"),
    ),
    Cause(
        name="photo_removed_by_null_flow",
        symptom="a photo that was there is gone",
        checked="who wrote the photo last, whether it is empty, and whether the flow lets empty values out",
        evidence=(
            *("directory_sha256", "writer", "directory_version", "directory_changed_at", "removal_pending"),
            "farm: suppress-deletions of the export flow",
        ),
        cause="The photo was empty in the metaverse, and the export flow passes empty values on.",
        refuted_by="a last write of the photo by anybody else, or suppress-deletions on the flow",
        fix=(
            "Untick Allow Nulls on the export flow of the photo first; then put the lost photos back from "
            "the backup, or upload them in SharePoint."
        ),
        next_notebook="90_restore_photos",
        applies=_photo_removed_by_null_flow,
        needs=("configuration",),
    ),
    Cause(
        name="rules_extension_fails",
        symptom="uploads do not arrive, and the synchronization reports errors",
        checked="synchronization errors, and how the last synchronizations ended",
        evidence=("sharepoint_connector_space", "pending_import", "pending_export", "farm: import errors"),
        cause="The rules extension (DLL) fails for these people, so that their photo does not flow.",
        refuted_by="a synchronization without extension errors that leaves the photo where it is",
        fix=(
            "Read the call stack in the run's details; publish the right build of the extension "
            "(SharePointSynchronization.dll) to the Extensions folder, then a full synchronization."
        ),
        next_notebook="",
        applies=_rules_extension_fails,
        farm=_code_failed,
        found=_stopped_by_code,
    ),
    Cause(
        name="synchronization_fails",
        symptom="a person's uploads come into MIM and no further",
        checked="errors of the last synchronizations that are not those of code, and where the photo stopped",
        evidence=("sharepoint_connector_space", "pending_import", "pending_export", "farm: import errors"),
        cause="MIM cannot take the person's object through its rules, so that the photo does not flow.",
        refuted_by="a synchronization without an error for this person that leaves the photo where it is",
        fix="Mend what the error names for each object, then run a full synchronization of its agent.",
        next_notebook="",
        applies=_synchronization_fails,
        needs=("steps",),
        found=_tell_failures,
    ),
    Cause(
        name="provisioned_twice",
        symptom=(
            "a person's uploads never arrive, and the SharePoint agent wants to add a profile that exists"
        ),
        checked="pending exports of the SharePoint agent, and export errors about objects that exist",
        evidence=(
            "sharepoint_export_operation",
            "sharepoint_objects",
            "farm: export errors of the SharePoint agent",
        ),
        cause="Provisioning made a second SharePoint object for somebody whose profile is there already.",
        refuted_by="no pending add for the person on the SharePoint agent",
        fix=(
            "Do not run Export on the SharePoint agent. Disconnect and delete the provisioned object, then "
            "full import and full synchronization of the SharePoint agent before the directory agent "
            "synchronizes."
        ),
        next_notebook="",
        applies=_provisioned_twice,
    ),
    Cause(
        name="deletions_pending",
        symptom="a person is about to be deleted in one of the systems",
        checked="pending exports of both agents",
        evidence=("export_operation", "sharepoint_export_operation", "farm: NumExportDelete"),
        cause="A deletion waits for the next export, as after the loss of a connector space.",
        refuted_by="no pending deletion in either connector space",
        fix=(
            "Do not run Export before it is known why; never delete the directory agent's connector space. "
            "Bring the object back by a full import and full synchronization of the agent that lost it."
        ),
        next_notebook="",
        applies=_deletions_pending,
        farm=_deletions_counted,
        found=_tell_deletions,
    ),
)
