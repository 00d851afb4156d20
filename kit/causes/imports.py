"""Causes in MIM's import from SharePoint: the picture never came into the SharePoint connector space."""

from __future__ import annotations

from functools import partial

import pandas as pd

from kit import incidents, signs
from kit.cause import Cause, graded
from kit.causes import failures
from kit.observation import Observation

_STALE_SYMPTOM = "a new photo in SharePoint, the old one in Active Directory"


def overlooked_by_full_import(observation: Observation) -> pd.Series:
    """Grade the five pieces of evidence: all there, one unknown, more unknown; none may speak against it.

    Photos flow from SharePoint to Active Directory; the hologram holds the old picture; an upload leaves the
    picture's address as it is; a full import since the upload staged no change; no delta import since.
    Connector-space evidence counts as one piece. Times that cannot be compared are unknown.
    """
    people = observation.people
    pieces = pd.DataFrame(
        {
            "direction": pd.Series(signs.flows_to_directory(observation), people.index, "boolean"),
            "hologram": _holds_old(observation),
            "address": signs.fixed_address(observation),
            "full import": signs.imported_since(observation, "full") & _staged_nothing(observation),
            "no delta import": ~signs.imported_since(observation, "delta"),
        }
    )
    unknown = pieces.isna().sum(axis="columns")
    candidates = (
        signs.affected(observation)
        & signs.connected(observation)
        & people["picture_url"].ne("")
        & ~_unread(observation)
        & pieces.fillna(value=True).all(axis="columns")
    )
    held = pieces["hologram"].fillna(value=False).astype("bool")
    dated = pieces["no delta import"].notna() & signs.imported_since(observation, "full").notna()
    # Who never had a photo in Active Directory is overlooked only if the hologram shows an older one.
    candidates &= held | (people["verdict"].isin(["stale", "uncertain"]) & dated)
    sure = candidates & (held | people["verdict"].ne("uncertain"))  # else no drift has been shown
    return graded(
        observation, suspected=candidates, probable=sure & unknown.le(1), confirmed=sure & unknown.eq(0)
    )


def _delta_import_never_ran(observation: Observation) -> pd.Series:
    due = (
        signs.affected(observation)
        & signs.connected(observation)
        & signs.not_imported_since(observation)
        & ~signs.import_failed_since(observation)
        & ~signs.older_than_log(observation)
        & (signs.flows_to_directory(observation) is not False)
    )
    untraced = signs.is_in(observation, "sharepoint_connector_space", "unknown")
    old = signs.is_in(observation, "sharepoint_connector_space", "old") & ~signs.reached(observation)
    return graded(
        observation, probable=due & untraced & observation.people["verdict"].eq("stale"), confirmed=due & old
    )


def _missed_by_delta_import(observation: Observation) -> pd.Series:
    direction = signs.flows_to_directory(observation)
    missed = (
        signs.affected(observation)
        & signs.connected(observation)
        & signs.is_in(observation, "sharepoint_connector_space", "old")
        & signs.is_in(observation, "pending_import", "none", "unknown")
        & ~_unread(observation)
        & (direction is not False)
    )
    ran = signs.imported_since(observation, "delta").fillna(value=False).astype("bool")
    forgotten = signs.not_imported_since(observation) & signs.older_than_log(observation)
    return graded(
        observation,
        probable=missed & (ran | forgotten),
        confirmed=missed & ran & signs.is_in(observation, "pending_import", "none") & (direction is True),
    )


def _not_yet_due(observation: Observation) -> pd.Series:
    unhindered = signs.affected(observation) & (signs.flows_to_directory(observation) is not False)
    hologram = observation.people["sharepoint_connector_space"]
    not_imported = (
        signs.not_imported_since(observation)
        & ~signs.import_failed_since(observation)
        & ~signs.is_in(observation, "ad_connector_space", "absent")
    )
    first = not_imported & hologram.isin(["none", "absent"])
    untraced = not_imported & hologram.eq("unknown") & observation.people["verdict"].eq("missing_in_ad")
    waits = signs.is_in(observation, "pending_import", "current") & ~_import_error(observation)
    waits &= not (signs.synchronized_since(observation) or signs.synchronization_failed(observation))
    exported_next = signs.is_in(observation, "pending_export", "current") & ~signs.incidents(
        observation, observation.directory_agent, "export"
    )
    exported_next &= not signs.exported_since(observation)
    return graded(
        observation,
        suspected=unhindered & signs.connected(observation) & exported_next,
        probable=unhindered & (untraced | (waits & signs.connected(observation))),
        confirmed=unhindered & first,
    )


def _obstacle(name: str, observation: Observation) -> pd.Series:
    barred = signs.affected(observation) & (name in (signs.obstacles(observation) or {}))
    none = signs.is_in(observation, "sharepoint_connector_space", "none")
    waiting = barred & signs.connected(observation) & ~signs.left_metaverse(observation)
    return graded(observation, probable=waiting, confirmed=waiting & none)


def _profile_not_imported(observation: Observation) -> pd.Series:
    people = observation.people
    absent = (
        signs.affected(observation)
        & people["in_directory"]
        & people["in_sharepoint"]
        & signs.is_in(observation, "sharepoint_connector_space", "absent")
        & ~signs.is_in(observation, "ad_connector_space", "absent")
        & ~_unread(observation)
    )
    imported = signs.imported_since(observation, "full")
    empty = bool(signs.emptied(observation, observation.sharepoint_agent))  # then it is about nobody
    return graded(
        observation,
        suspected=absent & empty,
        probable=absent & imported.isna() & (not empty),
        confirmed=absent & imported.fillna(value=False).astype("bool") & (not empty),
    )


def _tell_emptied(observation: Observation) -> str:
    return signs.emptied(observation, observation.sharepoint_agent)


def _import_aborts_on_profile(observation: Observation) -> pd.Series:
    people = observation.people
    troubled = ~people["verdict"].isin(["in_sync", "no_photo"]) & ~signs.reached(observation)
    nameless = people["in_sharepoint"] & people["profile_account"].eq("")
    unreadable = nameless & ~people["error_kind"].isin(["", "Duplicate"])
    return graded(observation, probable=troubled & unreadable, confirmed=troubled & _unread(observation))


def wrong_domain_prefix(observation: Observation) -> pd.Series:
    r"""Find ``wrong\anna`` in SharePoint where the directory has an ``anna`` elsewhere without a profile.

    They are one person if their mail address is the same, and two if it is another.
    """
    people = observation.people
    parts = people["account"].str.casefold().str.extract(r"^(.*)\\(.*)$").fillna("")
    domain, name = parts[0], parts[1]
    foreign = people["in_sharepoint"] & ~people["in_directory"] & domain.ne("") & people["kind"].ne("deleted")
    foreign &= ~domain.isin(observation.domains)
    lonely = people["in_directory"] & ~people["in_sharepoint"]
    mail = people["work_email"].where(foreign, people["mail"]).str.casefold()
    pairs = pd.DataFrame({"name": name, "mail": mail, "foreign": foreign})[foreign | lonely]
    mails = pairs.groupby(["foreign", "name"])["mail"].agg(set).to_dict()
    found = [
        _agree(one, mails.get((not is_foreign, called), set()))
        for called, one, is_foreign in pairs.itertuples(index=False)
    ]
    same = pd.Series(found, pairs.index, "str").reindex(people.index).fillna("other")
    known = bool(observation.domains)
    return graded(
        observation,
        suspected=same.isin(["same", "unknown"]),
        probable=same.eq("unknown") & known,
        confirmed=same.eq("same") & known,
    )


def _agree(mail: str, others: set[str]) -> str:
    """Tell whether a mail address is among a namesake's: ``same``, ``other`` or ``unknown``."""
    if mail and mail in others:
        return "same"
    return "unknown" if others and (not mail or "" in others) else "other"


def _unread(observation: Observation) -> pd.Series:
    return signs.incidents(observation, observation.sharepoint_agent, "discovery")


def _import_error(observation: Observation) -> pd.Series:
    """Tell whom the synchronization fails for; errors of staging are about confirming exports."""
    failed = signs.standing(observation, observation.sharepoint_agent, "import")
    return incidents.concern(observation.people, failed[failed["algorithm_step"].ne("staging")])


def _holds_old(observation: Observation) -> pd.Series:
    """Tell whether the hologram holds another picture; NA where that is not known."""
    state = observation.people["sharepoint_connector_space"]
    return state.map({"old": True, "current": False, "none": False, "absent": False}).astype("boolean")


def _staged_nothing(observation: Observation) -> pd.Series:
    """Tell whether no change waits; where that was not seen, the imports' counters may say so."""
    pending = observation.people["pending_import"].map(
        {"none": True, "current": False, "old": False, "uncertain": False, "unreadable": False}
    )
    told = _full_imports_changed_nothing(observation) or _holds_old(observation).isna()
    return pending.astype("boolean").mask(pending.isna() & told, other=True)


def _full_imports_changed_nothing(observation: Observation) -> bool:
    steps = observation.steps
    if steps.empty:
        return False
    mine = steps["agent"].str.casefold().eq(observation.sharepoint_agent.casefold())
    full = steps[mine & steps["step_type"].str.startswith("full import")]
    return bool(len(full)) and bool(full["stage_update"].eq(0).fillna(value=False).all())


CAUSES: tuple[Cause, ...] = (
    Cause(
        name="overlooked_by_full_import",
        symptom=_STALE_SYMPTOM,
        checked="flow direction, hologram, address of the picture, imports since the upload",
        evidence=(
            *("sharepoint_connector_space", "pending_import", "picture_url", "picture_timestamp"),
            *("full_import_since", "delta_import_since", "farm: direction of the photo's flow"),
        ),
        cause=(
            "The picture's address is the same after an upload, and a full import overlooks a new picture of "
            "an object that is already in the SharePoint connector space."
        ),
        refuted_by=(
            "the new picture in the hologram or pending; a delta import since the upload makes it one that "
            "delta imports missed, with the same remedy"
        ),
        fix=(
            "Delete the SharePoint connector space only, then full import, full synchronization and export, "
            "once; schedule delta imports."
        ),
        next_notebook="30_reset_and_full_sync",
        applies=overlooked_by_full_import,
        needs=("trace or history",),
        remedy_is_reset=True,
    ),
    Cause(
        name="delta_import_never_ran",
        symptom=_STALE_SYMPTOM,
        checked="hologram, and imports since an upload that the change log still holds",
        evidence=(
            "sharepoint_connector_space",
            "picture_timestamp",
            "full_import_since",
            "delta_import_since",
        ),
        cause="No import has run since the upload, and only a delta import will notice it.",
        refuted_by="an import of the SharePoint agent since the upload",
        fix=(
            "Run DeltaImport and DeltaSync on the SharePoint agent before any FullImport, then Export on the "
            "directory agent; schedule delta imports more often than every 14 days."
        ),
        next_notebook="",
        applies=_delta_import_never_ran,
        needs=("history",),
    ),
    Cause(
        name="missed_by_delta_import",
        symptom=_STALE_SYMPTOM,
        checked="hologram, and delta imports since the upload",
        evidence=(
            *("sharepoint_connector_space", "pending_import", "picture_timestamp"),
            *("full_import_since", "delta_import_since", "change_logged_at"),
            "farm: direction of the photo's flow",
        ),
        cause=(
            "No delta import has met the upload, scheduled or the experiment's: a full import had "
            "moved their place in the change log past it, or the log had forgotten it."
        ),
        refuted_by="the new picture in the hologram or pending",
        fix=(
            "Delete the SharePoint connector space only, then full import, full synchronization and export, "
            "once."
        ),
        next_notebook="30_reset_and_full_sync",
        applies=_missed_by_delta_import,
        needs=("history", "trace"),
        remedy_is_reset=True,
    ),
    Cause(
        name="not_yet_due",
        symptom="a photo in SharePoint that is on its way",
        checked="imports, synchronizations and exports since the upload",
        evidence=(
            *("sharepoint_connector_space", "pending_import", "pending_export", "picture_timestamp"),
            *("full_import_since", "delta_import_since"),
        ),
        cause="The photo was uploaded since the last run that would take it further; the next one does.",
        refuted_by="a run of the next step since then that left it where it is",
        fix="Wait for the schedule, or run its next cycle now.",
        next_notebook="",
        applies=_not_yet_due,
        needs=("history or trace",),
    ),
    Cause(
        name="picture_not_selected",
        symptom="no upload reaches Active Directory",
        checked="the selected attributes of both agents, and the holograms",
        evidence=("sharepoint_connector_space", "farm: attribute-inclusion"),
        cause="An agent does not read the photo, because its attribute is not selected.",
        refuted_by="the picture in a hologram of the SharePoint agent",
        fix=(
            "Select Picture on the SharePoint agent and thumbnailPhoto on the directory agent, then full "
            "import."
        ),
        next_notebook="",
        applies=partial(_obstacle, "picture_not_selected"),
        needs=("configuration",),
        farm=partial(signs.barred, "picture_not_selected"),
        found=partial(signs.where, "picture_not_selected"),
    ),
    Cause(
        name="picture_export_only",
        symptom="no upload reaches Active Directory",
        checked="the SharePoint agent's picture flow direction and schema, and the holograms",
        evidence=("sharepoint_connector_space", "farm: Picture Flow Direction"),
        cause="The SharePoint agent only lets pictures out: it never imports them.",
        refuted_by="the picture in a hologram of the SharePoint agent",
        fix="Set 'Picture Flow Direction' to 'Import only', refresh the agent's schema, then full import.",
        next_notebook="",
        applies=partial(_obstacle, "picture_export_only"),
        needs=("configuration",),
        farm=partial(signs.barred, "picture_export_only"),
        found=partial(signs.where, "picture_export_only"),
    ),
    Cause(
        name="profile_not_imported",
        symptom="a person's uploads never arrive, others' do",
        checked="the SharePoint connector space",
        evidence=("in_sharepoint", "in_directory", "sharepoint_connector_space", "full_import_since"),
        cause="The SharePoint agent does not import this profile: it is not in its connector space.",
        refuted_by="an object of this account in the SharePoint connector space",
        fix=(
            "Compare the agent's Application ID, partitions, object types and filters with where the profile "
            "is."
        ),
        next_notebook="",
        applies=_profile_not_imported,
        needs=("trace",),
        found=_tell_emptied,
    ),
    Cause(
        name="import_aborts_on_profile",
        symptom="a person's uploads never arrive, and the import reports errors",
        checked="discovery errors of the SharePoint agent's imports, and what the profile service answers",
        evidence=("error_kind", "sharepoint_connector_space", "farm: discovery errors"),
        cause=(
            "The import cannot read this profile, as with a character that XML forbids or an invalid address."
        ),
        refuted_by="an import without a discovery error for this person since the upload",
        fix="Correct the value that the error names in the profile, then run the import again.",
        next_notebook="",
        applies=_import_aborts_on_profile,
        found=partial(failures.tell, "discovery"),
    ),
    Cause(
        name="wrong_domain_prefix",
        symptom="a person has an account without profile and a profile without account",
        checked="domains of profiles' accounts, and accounts of the same name and mail without profile",
        evidence=(
            "in_directory",
            "in_sharepoint",
            "mail",
            "work_email",
            "farm: NetBIOS names of the domains",
        ),
        cause=(
            "The profile was made with another domain's name, as when the Configuration partition, which "
            "holds the NetBIOS names, is not imported."
        ),
        refuted_by="a domain of that NetBIOS name in the forest, or another mail address",
        fix=(
            "Select the Configuration partition on the directory agent and run its steps; move the profile "
            "to the right account (Move-SPUser)."
        ),
        next_notebook="",
        applies=wrong_domain_prefix,
    ),
)
