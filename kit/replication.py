"""Who wrote a photo in Active Directory last: its replication metadata against MIM's run history.

The directory knows, per attribute, when it was written last and on which domain controller, but not by whom.
If the directory agent exported at that time, the synchronization service wrote it; else somebody else did.
Event 5136 in that controller's Security log names the account, where directory changes are audited. Only the
last write is known: what an Export overwrote leaves no trace but a higher version.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import islice
from typing import Protocol

import numpy as np
import pandas as pd

from kit.errors import ProtocolError
from kit.ldap import Values, escape
from kit.mim import SynchronizationService
from kit.schema import TIME, conform
from kit.stamps import BINARY_METADATA, PHOTO, XML_METADATA, AttributeChange, parse_metadata, parse_stamps
from kit.users import guid

__all__ = ["AttributeChange", "parse_metadata"]

WRITERS = {
    "synchronization_service": "written during an Export of the directory agent",
    "another_writer": "written while the directory agent did not export",
    "before_history": "written before the run history begins",
    "never_written": "never written",
    "not_readable": "not readable",
}
"""Every writer in the order it is shown, and what it means."""

CHANGES = {
    "person": "str",
    "account": "str",
    "display_name": "str",
    "writer": "str",  # a key of WRITERS
    "changed_at": TIME,  # null: never, or not readable
    "changed_on": "str",  # the domain controller's name
    "version": "Int64",  # how often it was written; null: not readable
    "run_number": "Int64",  # of the Export; null: no Export
    "detail": "str",  # why it could not be read
}
"""One row per person: the last write of the photo. `judge` makes it."""

TOLERANCE = timedelta(seconds=30)
"""How far the clocks of a domain controller and of the synchronization server may be apart."""


@dataclass(frozen=True)
class UnreadableChange:
    """Somebody whose metadata could not be read, and why."""

    person: str
    detail: str


class Entries(Protocol):
    """What is needed of a directory, such as `kit.directory.Directory`."""

    @property
    def controllers(self) -> Mapping[str, str]:
        """Invocation id to the nTDSDSA object's distinguished name, of every domain controller."""

    def entries(self, search_filter: str, attributes: Sequence[str]) -> Iterator[tuple[str, Values]]:
        """Search for objects of the domain."""


def writers(
    people: pd.DataFrame,
    directory: Entries,
    service: SynchronizationService,
    *,
    agent: str,
    export_profile: str,
    tolerance: timedelta = TOLERANCE,
) -> pd.DataFrame:
    """Judge who wrote the photos of people under suspicion last.

    Everybody may be asked about: they are read in batches, and one stamp of each is kept. It takes its time,
    because an answer holds the stamps of all attributes of a person, about 400 bytes each.

    Parameters
    ----------
    people : DataFrame
        Columns of `kit.schema.PEOPLE`; who is not in the directory is left out.
    directory : Entries
        Any domain controller of the domain, because replication takes the stamps to all of them; or a
        `kit.forest.Forest`, with one of each domain.
    service : SynchronizationService
        Whose run history is read.
    agent : str
        The Active Directory management agent.
    export_profile : str
        Its run profile that exports.
    tolerance : timedelta
        How far the clocks may be apart.

    Returns
    -------
    DataFrame
        Columns and dtypes of `CHANGES`.

    Raises
    ------
    SourceError
        The directory or the run history could not be read at all.
    """
    present = people[people["in_directory"]]
    changes = list(photo_changes(directory, present["person"]))
    history = service.run_history(agent)  # last, so that no change can be newer than it
    frame = judge(changes, history, export_profile=export_profile, tolerance=tolerance)
    names = present.set_index("person")[["account", "display_name"]]
    return conform(frame.drop(columns=names.columns).join(names, on="person"), CHANGES)


def photo_changes(
    directory: Entries, people: Iterable[str], batch: int = 100
) -> Iterator[AttributeChange | UnreadableChange]:
    """Read the stamps of ``thumbnailPhoto`` of given people, many per search.

    Parameters
    ----------
    directory : Entries
        A domain controller, or one of each domain.
    people : iterable of str
        ``objectGUID`` as text.
    batch : int
        People per search, and in memory at once.

    Yields
    ------
    AttributeChange or UnreadableChange
        One per person, however often named; of version 0 where no photo was ever written.

    Raises
    ------
    ParameterError
        Somebody's name is no ``objectGUID``.
    SourceError
        The directory could not be read at all.
    """
    remaining = iter(dict.fromkeys(people))
    while some := list(islice(remaining, batch)):
        guids = {guid(person).bytes_le: person for person in some}
        either = "".join(f"(objectGUID={escape(guid)})" for guid in guids)
        attributes = ["objectGUID", XML_METADATA, BINARY_METADATA]
        for _, values in directory.entries(f"(|{either})", attributes):
            person = guids.pop(values["objectGUID"][0], None)
            if person is None:  # answered before: two domain controllers of one domain, or a move meanwhile
                continue
            change = _last_change(person, values)
            if isinstance(change, AttributeChange) and change.invocation_id and not change.controller:
                change = replace(change, controller=directory.controllers.get(change.invocation_id, ""))
            yield change
        for person in guids.values():
            yield UnreadableChange(person, "the account is no longer in the directory")


def judge(
    changes: Iterable[AttributeChange | UnreadableChange],
    history: pd.DataFrame,
    *,
    export_profile: str,
    tolerance: timedelta = TOLERANCE,
) -> pd.DataFrame:
    """Tell the synchronization service's writes from those of others.

    A write during an Export, give or take the tolerance, is taken for the service's: that somebody else wrote
    in the same moment cannot be excluded. A write at any other time is certainly not the service's, if the
    clocks agree and the history has not been cleared; what is older than the history is not judged.

    Parameters
    ----------
    changes : iterable of AttributeChange or UnreadableChange
        One per person.
    history : DataFrame
        Of the directory agent, as `SynchronizationService.run_history` returns it.
    export_profile : str
        The run profile that exports, in any case.
    tolerance : timedelta
        How far the clocks may be apart.

    Returns
    -------
    DataFrame
        Columns and dtypes of `CHANGES`; ``account`` and ``display_name`` are empty.
    """
    frame = conform(pd.DataFrame([_row(change) for change in changes], columns=list(CHANGES)), CHANGES)
    exports = _exports(history, export_profile)
    nearest = exports["started"].sub(tolerance).searchsorted(frame["changed_at"], side="right") - 1
    exports = exports.reindex(nearest).set_axis(frame.index)
    ended = exports["ended"].fillna(frame["changed_at"].max())  # it goes on
    during = frame["changed_at"].le(ended + tolerance) & exports["started"].notna()
    conditions = {
        "not_readable": frame["version"].isna(),
        "never_written": frame["version"].eq(0).fillna(value=False),
        "synchronization_service": during,
        "before_history": ~frame["changed_at"].ge(history["started"].min()),
    }
    cases = [condition.to_numpy(dtype=bool) for condition in conditions.values()]
    frame["writer"] = np.select(cases, list(conditions), "another_writer")
    frame["run_number"] = exports["run_number"].where(during)
    return conform(frame, CHANGES)


def conclusion(frame: pd.DataFrame) -> str:
    """Say in one sentence whether anybody but the synchronization service writes photos.

    Parameters
    ----------
    frame : DataFrame
        As `judge` or `writers` returns it.
    """
    counts = {writer: int(frame["writer"].eq(writer).sum()) for writer in WRITERS}
    if not sum(counts.values()):
        return "No photo was looked at."
    found = ", ".join(f"{count} {WRITERS[writer]}" for writer, count in counts.items() if count)
    if counts["another_writer"]:
        last = frame[frame["writer"] == "another_writer"].sort_values("changed_at").iloc[-1]
        where = f"the last one on {last['changed_on']} at {last['changed_at']:%Y-%m-%d %H:%M:%S} UTC"
        return f"Another writer is at work ({found}): {where}, where event 5136 names the account."
    if counts["before_history"] or counts["not_readable"]:
        return f"No sign of another writer, but not every photo can be judged ({found})."
    return f"No sign of another writer ({found})."


def _last_change(person: str, values: Values) -> AttributeChange | UnreadableChange:
    """Pick the photo's stamp out of one entry; what may not be read is absent from it (MS-ADTS 3.1.1.4.4)."""
    described, binary = values.get(XML_METADATA, ()), values.get(BINARY_METADATA, ())
    if not described and not binary:
        return UnreadableChange(person, f"{BINARY_METADATA} is not there, or the account may not read it")
    about_photo = [value for value in described if PHOTO.lower().encode() in value.lower()]
    try:
        if described:
            stamps = [stamp for value in about_photo for stamp in parse_metadata(value, person)]
        else:
            stamps = list(parse_stamps(binary[0], person))
    except ProtocolError as error:
        return UnreadableChange(person, str(error))
    photo = (stamp for stamp in stamps if stamp.attribute.lower() == PHOTO.lower())
    return next(photo, AttributeChange(person, PHOTO))


def _row(change: AttributeChange | UnreadableChange) -> Mapping[str, object]:
    if isinstance(change, UnreadableChange):
        return {"person": change.person, "detail": change.detail}
    return {
        "person": change.person,
        "changed_at": change.time,
        "changed_on": change.controller_name,
        "version": change.version,
    }


def _exports(history: pd.DataFrame, profile: str) -> pd.DataFrame:
    """Return the Exports that can have written anything, oldest first; they never overlap.

    A stamp's time is cut to whole seconds, and so are their beginnings.
    """
    idle = history["status"].eq("completed-no-objects") | history["status"].str.startswith("no-start-")
    wanted = history["run_profile"].str.casefold().eq(profile.casefold()) & ~idle
    exports = history.loc[wanted & history["started"].notna(), ["run_number", "started", "ended"]]
    return exports.assign(started=exports["started"].dt.floor("s")).sort_values("started", ignore_index=True)
