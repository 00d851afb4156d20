"""Causes in the export to Active Directory, and in what happens to the photo there."""

from __future__ import annotations

from functools import partial

import pandas as pd

from kit import runs, signs
from kit.cause import Cause, graded
from kit.causes import failures, tokens
from kit.flow import THUMBNAIL
from kit.observation import Observation

LARGEST = 102_400
"""Bytes that Active Directory takes: rangeUpper of thumbnailPhoto (Microsoft Learn, Picture attribute)."""

LARGEST_FOR_OUTLOOK = 10_240
"""Bytes up to which Outlook shows a photo."""

MEDIUM_THUMBNAIL = 72
"""Longest side of SharePoint's medium thumbnail in pixels; the connector exports that one."""

_NOT_PERMITTED, _TOO_LARGE = "permission-issue", "constraint-violation"
_MOST_RUNS = 3  # that are told of
_ROUNDS = 2  # synchronizations without an export after them: the schedule has none


def _export_never_runs(observation: Observation) -> pd.Series:
    drifted = signs.affected(observation) & signs.connected(observation)
    waits = drifted & signs.is_in(observation, "pending_export", "current")
    never = bool(_never_exported(observation))
    no_profile = signs.barred("export_never_runs", observation) == "confirmed"
    others = drifted & ~signs.is_in(observation, "ad_connector_space", "current")
    return graded(
        observation,
        probable=(others & no_profile) | (waits & _left_out(observation)),
        confirmed=waits & (no_profile | never),
    )


def _never_exported(observation: Observation) -> str:
    """Say that a history with runs of the directory agent has no export among them; empty if it has one."""
    history = observation.history
    mine = history[history["agent"].str.casefold().eq(observation.directory_agent.casefold())]
    if len(mine) and _exports(observation).empty:
        return f"None of the {len(mine):,} runs of {observation.directory_agent} in the history is an export."
    return ""


def _left_out(observation: Observation) -> bool:
    """Tell whether the schedule went on, round after round, without an export."""
    exported = _exports(observation)["started"].max()
    rounds = signs.runs_of(observation, observation.sharepoint_agent, "full sync", "delta sync")["started"]
    return int(rounds.gt(exported).sum()) >= _ROUNDS


def _exports(observation: Observation) -> pd.DataFrame:
    return signs.runs_of(observation, observation.directory_agent, "export")


def _never(observation: Observation) -> str:
    certainty = signs.barred("export_never_runs", observation)
    return certainty or ("confirmed" if _never_exported(observation) else "")


def _tell_never(observation: Observation) -> str:
    return signs.where("export_never_runs", observation) or _never_exported(observation)


def _export_not_permitted(observation: Observation) -> pd.Series:
    refused = signs.incidents(observation, observation.directory_agent, "export", _NOT_PERMITTED)
    return _refusal(observation, refused)


def _photo_too_large(observation: Observation) -> pd.Series:
    refused = signs.incidents(observation, observation.directory_agent, "export", _TOO_LARGE)
    large = observation.people["sharepoint_bytes"].gt(LARGEST).fillna(value=False).astype("bool")
    small = observation.people["sharepoint_bytes"].le(LARGEST).fillna(value=False).astype("bool")
    drifted = signs.affected(observation)
    left = signs.left_metaverse(observation)
    # A constraint that a picture of a fitting size has broken is probably another attribute's.
    return _refusal(observation, refused & ~small).mask(
        drifted & large & ~refused, graded(observation, suspected=drifted & ~left, probable=drifted & left)
    )


def _export_refused(observation: Observation) -> pd.Series:
    small = observation.people["sharepoint_bytes"].le(LARGEST).fillna(value=False).astype("bool")
    constraint = signs.incidents(observation, observation.directory_agent, "export", _TOO_LARGE) & small
    others = failures.concerned(observation, "export", _NOT_PERMITTED, _TOO_LARGE)
    return _refusal(observation, others | constraint)


def _refusal(observation: Observation, refused: pd.Series) -> pd.Series:
    """Blame an export's error on whose photo waits for it; others were refused something else."""
    drifted = signs.affected(observation) & refused
    waits = signs.is_in(observation, "pending_export", "current", "uncertain")
    unknown = signs.is_in(observation, "pending_export", "unknown")
    return graded(observation, probable=drifted & unknown, confirmed=drifted & waits)


def _tell_refusals(observation: Observation) -> str:
    return failures.tell("export", observation, _NOT_PERMITTED)


def _too_large_for_outlook(observation: Observation) -> pd.Series:
    people = observation.people
    large = people["directory_bytes"].gt(LARGEST_FOR_OUTLOOK).fillna(value=False).astype("bool")
    return graded(observation, confirmed=people["verdict"].eq("in_sync") & large)


def _overwritten(observation: Observation) -> pd.Series:
    people = observation.people
    drifted = signs.affected(observation) & signs.connected(observation)
    returned = signs.incidents(
        observation,
        observation.directory_agent,
        "import",
        "exported-change-not-reimported",
        about=THUMBNAIL,
    )
    # Exchange is a writer with a cause of its own.
    other = people["writer"].eq("another_writer") & people["exchange_sync_state"].ne(1).fillna(value=True)
    later = people["directory_changed_at"].gt(people["picture_timestamp"]) & signs.ordered(observation)
    arrived = signs.reached(observation) & ~_refused(observation)
    untraced = signs.is_in(observation, "sharepoint_connector_space", "unknown")
    return graded(
        observation,
        suspected=drifted & other & (arrived | untraced) & (later | ~signs.ordered(observation)),
        probable=drifted & arrived & returned,
        confirmed=drifted & arrived & other & (later & _exported_between(observation)),
    )


def _exported_between(observation: Observation) -> pd.Series:
    """Tell for whom an export that got through began between the upload and the last write of the photo."""
    exports = _exports(observation)
    starts = exports[~signs.failed(exports)]["started"].sort_values()
    people = observation.people
    before = [
        starts.searchsorted(times, side="left")
        for times in (people["picture_timestamp"], people["directory_changed_at"])
    ]
    return pd.Series(before[1] > before[0], people.index)


def _refused(observation: Observation) -> pd.Series:
    return signs.incidents(observation, observation.directory_agent, "export")


def _domain_controllers_differ(observation: Observation) -> pd.Series:
    people = observation.people
    confirmed_there = signs.affected(observation) & signs.is_in(observation, "ad_connector_space", "current")
    behind = confirmed_there & signs.is_in(observation, "active_directory", "old", "none")
    older = people["directory_changed_at"].lt(people["picture_timestamp"]) & signs.ordered(observation)
    older |= people["writer"].eq("never_written")
    unknown = people["directory_changed_at"].isna() & ~older
    return graded(observation, suspected=behind & unknown, confirmed=behind & older)


def _wrong_attribute(observation: Observation) -> pd.Series:
    wrong = "wrong_directory_attribute" in (signs.obstacles(observation) or {})
    drifted = signs.affected(observation) & signs.connected(observation) & wrong
    waiting = drifted & ~signs.left_metaverse(observation)
    return graded(observation, probable=waiting, confirmed=waiting & signs.reached(observation))


def _outside_scope(observation: Observation) -> pd.Series:
    people = observation.people
    absent = signs.is_in(observation, "ad_connector_space", "absent")
    outside = people["in_directory"] & people["in_sharepoint"] & absent
    bad = signs.affected(observation) | people["verdict"].eq("unreadable")
    empty = bool(signs.emptied(observation, observation.directory_agent))  # then it is about nobody
    return graded(observation, suspected=outside & bad & empty, confirmed=outside & bad & (not empty))


def _tell_emptied(observation: Observation) -> str:
    return signs.emptied(observation, observation.directory_agent)


def _thumbnail_too_small(observation: Observation) -> pd.Series:
    people = observation.people
    small = people["directory_photo_side"].lt(MEDIUM_THUMBNAIL).fillna(value=False).astype("bool")
    return graded(observation, confirmed=people["verdict"].eq("in_sync") & small)


def _run_did_not_complete(observation: Observation) -> pd.Series:
    """Blame failed runs on those whom they would have taken further."""
    drifted = signs.affected(observation) & signs.connected(observation)
    not_imported = drifted & ~signs.reached(observation) & signs.import_failed_since(observation)
    staged = drifted & signs.is_in(observation, "pending_import", "current")
    waits = signs.affected(observation) & signs.is_in(observation, "pending_export", "current")
    failed = bool(signs.failed(_exports(observation).head(1)).any())
    return graded(
        observation,
        probable=not_imported
        | (staged & signs.synchronization_failed(observation))
        | (waits & failed & ~_refused(observation)),
    )


def _last_runs(observation: Observation) -> pd.DataFrame:
    """Return the last runs that did not end well: either agent's, and the failed ones of each run profile."""
    agents = (observation.sharepoint_agent.casefold(), observation.directory_agent.casefold())
    history = observation.history.sort_values("started", ascending=False, na_position="last")
    mine = history[history["agent"].str.casefold().isin(agents)]
    last = mine.drop_duplicates(["agent", "run_profile"])
    last = last.assign(newest=~last.duplicated("agent"))
    ended = last["status"].map(runs.classify)
    return last.loc[ended.eq(runs.FAILED) | (last["newest"] & ended.ne(runs.OK))]


def _ended_badly(observation: Observation) -> str:
    last = _last_runs(observation)
    kinds = set(last.loc[last["newest"], "status"].map(runs.classify))
    if runs.FAILED in kinds:
        return "confirmed"
    return "probable" if runs.ATTENTION in kinds else "suspected" if kinds else ""


def _tell_runs(observation: Observation) -> str:
    last = _last_runs(observation).sort_values("newest", ascending=False, kind="stable").head(_MOST_RUNS)
    return " ".join(
        f"The last run of {agent} ({profile}) ended with {status}: {tokens.explain(status)}"
        if newest
        else f"The last {profile} of {agent} ended with {status}: {tokens.explain(status)}"
        for agent, profile, status, newest in last[["agent", "run_profile", "status", "newest"]].to_numpy()
    )


CAUSES: tuple[Cause, ...] = (
    Cause(
        name="export_never_runs",
        symptom="uploads reach MIM and stay there",
        checked="run profiles and run history of the directory agent, and pending exports",
        evidence=("pending_export", "exported_at", "farm: run profiles and history of the directory agent"),
        cause="The photo waits for an export to Active Directory, and none is run.",
        refuted_by="an export run of the directory agent since the photo was synchronized",
        fix=(
            "Add an Export run profile to the directory agent, with one step per partition, and put it into "
            "the schedule after the synchronization."
        ),
        next_notebook="",
        applies=_export_never_runs,
        needs=("history or configuration",),
        farm=_never,
        found=_tell_never,
    ),
    Cause(
        name="export_not_permitted",
        symptom="a person's photo is refused by Active Directory",
        checked="export errors of the directory agent's last export",
        evidence=("pending_export", "exported_at", "farm: export errors"),
        cause="The directory agent's account may not write thumbnailPhoto of this person.",
        refuted_by="an export of this person without permission-issue",
        fix=(
            "Delegate Read and Write of thumbnailPhoto to the agent's account; for protected accounts "
            "(adminCount 1) on AdminSDHolder. Then Export again."
        ),
        next_notebook="",
        applies=_export_not_permitted,
        needs=("steps",),
    ),
    Cause(
        name="photo_too_large",
        symptom="a person's photo is refused by Active Directory",
        checked="export errors of the directory agent's last export, and the size of the picture",
        evidence=("sharepoint_bytes", "pending_export", "farm: export errors"),
        cause="The picture is larger than the 102,400 bytes that thumbnailPhoto takes.",
        refuted_by="a picture of 102,400 bytes or less, and no constraint-violation",
        fix=(
            "Have a smaller picture uploaded, or export the medium thumbnail; then import, synchronize and "
            "export."
        ),
        next_notebook="",
        applies=_photo_too_large,
    ),
    Cause(
        name="export_refused",
        symptom="a person's photo is refused by Active Directory",
        checked="export errors of the directory agent's last export that have no cause of their own here",
        evidence=("pending_export", "exported_at", "sharepoint_bytes", "farm: export errors"),
        cause="The export of the person's object fails, and the photo with it, whatever the error is about.",
        refuted_by="an export of this person without an error that leaves the photo waiting",
        fix="Mend what the error names for each object, then run Export of the directory agent again.",
        next_notebook="",
        applies=_export_refused,
        needs=("steps",),
        found=_tell_refusals,
    ),
    Cause(
        name="too_large_for_outlook",
        symptom="the photo is in Active Directory, and Outlook shows none",
        checked="the size of the photo in Active Directory",
        evidence=("verdict", "directory_bytes"),
        cause="The photo is above the 10 kB up to which Outlook shows one.",
        refuted_by="a photo of 10,240 bytes or less",
        fix="Export a picture of 96 x 96 pixels, below 10 kB.",
        next_notebook="",
        applies=_too_large_for_outlook,
        harmless=True,
    ),
    Cause(
        name="overwritten_by_another_writer",
        symptom="the new photo was in Active Directory for a while",
        checked="who wrote the photo last and when, and whether MIM met its own change again",
        evidence=(
            *("writer", "directory_changed_at", "picture_timestamp", "exported_at"),
            "sharepoint_connector_space",
        ),
        cause="Somebody else wrote the photo in Active Directory after MIM had exported the new one.",
        refuted_by="a last write of the photo during an export, or before the upload",
        fix=(
            "Find the writer (event 5136 on the domain controller that wrote it) and stop it; then run an "
            "import, synchronization and Export of the directory agent."
        ),
        next_notebook="",
        applies=_overwritten,
    ),
    Cause(
        name="domain_controllers_differ",
        symptom="the photo is new on one domain controller and old on another",
        checked="what the agent last imported, and the stamp of the photo on the domain controller asked",
        evidence=("ad_connector_space", "active_directory", "directory_changed_at", "picture_timestamp"),
        cause="The domain controller asked has not received the photo that MIM wrote on another one.",
        refuted_by="a stamp of the photo that is younger than the upload",
        fix=(
            "Wait for replication or mend it (repadmin /showrepl), or ask the domain controller that MIM "
            "writes to."
        ),
        next_notebook="",
        applies=_domain_controllers_differ,
        needs=("trace",),
    ),
    Cause(
        name="wrong_directory_attribute",
        symptom="no upload reaches the address book",
        checked="the export flows of the directory agent",
        evidence=("stopped_at", "farm: export-flow of the photo"),
        cause="The photo flows to another attribute than thumbnailPhoto, such as jpegPhoto.",
        refuted_by="an export flow to thumbnailPhoto on the directory agent",
        fix="Let the export flow of the photo end in thumbnailPhoto, then full synchronization and Export.",
        next_notebook="",
        applies=_wrong_attribute,
        needs=("configuration",),
        farm=partial(signs.barred, "wrong_directory_attribute"),
        found=partial(signs.where, "wrong_directory_attribute"),
    ),
    Cause(
        name="outside_directory_agent_scope",
        symptom="the uploads of some parts of the organization never arrive",
        checked="the AD connector space",
        evidence=("ad_connector_space", "in_directory", "joined"),
        cause="The directory agent does not manage this person: there is no object in its connector space.",
        refuted_by="an object of this person in the AD connector space",
        fix=(
            "Extend the agent's containers or its filter to the person's organizational unit, then full "
            "import."
        ),
        next_notebook="",
        applies=_outside_scope,
        needs=("trace",),
        found=_tell_emptied,
    ),
    Cause(
        name="thumbnail_too_small",
        symptom="the photo in Active Directory is tiny or blurred",
        checked="the size in pixels of the photo in Active Directory",
        evidence=("verdict", "directory_photo_side"),
        cause="The photo is smaller than the 72 pixels of SharePoint's medium thumbnail: a tiny upload.",
        refuted_by="a photo of 72 pixels or more",
        fix="Have a larger picture uploaded: nothing on the way enlarges one.",
        next_notebook="",
        applies=_thumbnail_too_small,
        harmless=True,
    ),
    Cause(
        name="run_did_not_complete",
        symptom="uploads have not arrived since a certain day",
        checked="how the last runs of both agents ended",
        evidence=(
            *("pending_import", "pending_export", "full_import_since", "delta_import_since"),
            *("picture_timestamp", "farm: status of the last runs"),
        ),
        cause="The runs that would take the photo further do not end well.",
        refuted_by="a later run of the same profile that ended well",
        fix="Mend what the status names, one run at a time, then run the cycle again.",
        next_notebook="",
        applies=_run_did_not_complete,
        needs=("history",),
        farm=_ended_badly,
        found=_tell_runs,
    ),
)
