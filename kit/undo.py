"""What became of people's photos since they were kept, and what would go back: the plan of a restore."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pandas as pd

from kit import backup, schema
from kit.backup import THUMBNAIL, Backup, Held, batches, look_up
from kit.directory import Directory
from kit.errors import CaseError, ParameterError
from kit.folder import CaseFolder
from kit.forest import Forest
from kit.gallery import Pair
from kit.journal import Journal
from kit.progress import Progress, quiet
from kit.store import Link

JOURNAL = "restore.jsonl"

CLASSES = {
    "changed_by_fix": "the directory holds what the fix exported",
    "missing": "the photo is gone, and was so when the fix ended",
    "changed_since": "somebody else has changed the photo since, or taken it away",
    "same": "the directory holds the very bytes of before",
    "no_backup": "what was there before was not kept, or the copy is damaged",
    "gone": "the person is no longer in the directory, or not to be seen",
}
"""What became of a person's photo, in the order it is shown."""

GOES_BACK = ("changed_by_fix", "missing")
"""Classes that go back unasked; whoever is ``changed_since`` must be named."""

COLUMNS = {
    "person": "str",
    "account": "str",
    "display_name": "str",
    "class": "str",  # a key of CLASSES
    "now_sha256": "str",  # empty: no photo
    "back_sha256": "str",  # empty: no photo, or none is known
    "now_bytes": "Int64",
    "back_bytes": "Int64",  # of the chosen
    "chosen": "bool",  # goes back
    "writable": "boolean",  # by the signed-in account; NA: not asked
    "returns": "bool",  # SharePoint shows another picture than the one that goes back
}
"""The plan: one row per person."""


@dataclass(frozen=True)
class _Past:
    """What the case tells of the fix and of earlier restores, and the photos it has kept."""

    began: datetime | None
    exported_at: datetime | None
    exported: Mapping[str, str]
    restored: frozenset[str]

    def judge(self, row: Mapping[str, Any], held: Held | None, link: Link | None, kept: Backup) -> str:
        """Say what became of a person's photo; the words are those of `CLASSES`."""
        if held is None:
            return "gone"
        if link is not None and held.sha256 == (link.sha256 or ""):
            return "same"
        if link is None or (link.sha256 and not kept.has(link.sha256)):
            return "no_backup"
        if held.photo is None:
            return "changed_since" if self._had_one_after(row["person"], kept) else "missing"
        return "changed_by_fix" if held.sha256 == self.exported.get(row["account"]) else "changed_since"

    def _had_one_after(self, person: str, kept: Backup) -> bool:
        """Whether a person was seen with a photo after the fix had exported, or was given one back."""
        if person in self.restored:
            return True
        link = kept.held(person)
        return bool(link and link.sha256 and self.exported_at and link.read_at > self.exported_at)


def plan(
    folder: CaseFolder,
    directory: Directory | Forest,
    accounts: Sequence[str] = (),
    *,
    as_of: datetime | None = None,
    progress: Progress = quiet,
) -> pd.DataFrame:
    """Read what people's photos are now, and say of each what became of it and what would go back.

    Nothing is written to the directory.

    Parameters
    ----------
    folder : CaseFolder
    directory : Directory or Forest
        Signed in as who would write; which of the chosen it may write is asked (``writable``).
    accounts : sequence of str
        Whose photos: accounts, with or without the domain, user principal names, mail addresses or
        ``person``. They go back even if somebody else has changed them since. Empty: everybody is looked
        at, and those of the classes `GOES_BACK` are chosen.
    as_of : datetime, optional
        Photos go back to what was last read before this time; by default before the fix began.
    progress : Progress

    Returns
    -------
    DataFrame
        Columns of `COLUMNS`, in the order of the people.

    Raises
    ------
    ParameterError
        Somebody is unknown, or means several people; ``as_of`` is None and no fix was begun.
    CaseError
        There are no people in the case yet.
    SourceError
        The directory cannot be read.
    """
    past = _past(folder)
    before = as_of or past.began
    if before is None:
        what, cause = "as_of is empty", "in this case no fix was begun, whose beginning would count"
        raise ParameterError(what, cause, "give the time before which the photos were as they should be")
    people = choose(folder.people("before"), accounts)
    pictures = _pictures(folder)
    rows: list[dict[str, Any]] = []
    with backup.opened(folder) as kept:
        for batch in batches(people, progress, "photos now and before"):
            found = look_up(directory, [row["person"] for row in batch])
            for row in batch:
                held, link = found.get(row["person"]), kept.held(row["person"], before)
                facts = _facts(row, held, link, past.judge(row, held, link, kept))
                if facts["class"] in GOES_BACK or (facts["class"] == "changed_since" and accounts):
                    facts |= _prospect(facts, held, kept, directory, pictures)
                rows.append(facts)
    return schema.conform(pd.DataFrame(rows, columns=list(COLUMNS)), COLUMNS)


def choose(people: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """Return those people of the directory who are named; everybody where nobody is.

    Parameters
    ----------
    people : DataFrame
        Columns of `kit.schema.PEOPLE`.
    names : sequence of str
        As ``accounts`` of `plan`.

    Raises
    ------
    ParameterError
        A name is nobody's, or that of several people.
    """
    there = people[people["in_directory"]]
    if not names:
        return there
    called = there[["person", "account", "user_principal_name", "mail"]].assign(
        account_name=there["account"].str.split("\\").str[-1]
    )
    called = called.apply(lambda column: column.str.casefold())
    chosen = pd.Series(data=False, index=there.index)
    for name in names:
        found = called.eq(name.strip().casefold()).any(axis=1) & bool(name.strip())
        if found.sum() != 1:
            what = f"account {name!r} in 'accounts'"
            cause = f"{found.sum()} people are called so" if found.any() else "nobody is called so"
            advice = (
                r"give an account as the comparison has it, in Python as 'contoso\\anna', or a mail address"
            )
            raise ParameterError(what, cause, advice)
        chosen |= found
    return there[chosen]


def warning(planned: pd.DataFrame, agent: str) -> str:
    """Say what the next export of the directory agent will do to the photos that go back.

    Parameters
    ----------
    planned : DataFrame
        Of `plan`.
    agent : str
        Name of the directory agent.

    Examples
    --------
    >>> warning(schema.conform(pd.DataFrame({"chosen": [True]}), COLUMNS), "ADMA").partition(":")[0]
    'SharePoint shows nobody of them another picture'
    """
    chosen = planned[planned["chosen"]]
    returning = int(chosen["returns"].sum())
    if not returning:
        return (
            "SharePoint shows nobody of them another picture: no export writes one over what goes back. "
            f"That '{agent}' does not delete photos is for the findings of 30_reset_and_full_sync to say."
        )
    return (
        f"SharePoint shows another picture of {returning:,} of the {len(chosen):,} people, and so does MIM's "
        f"metaverse: once '{agent}' has imported and synchronized again, its export writes that picture over "
        "what went back. Before its schedule goes on, put the right photo into SharePoint too, or stop the "
        "flow to thumbnailPhoto."
    )


def pairs(
    planned: pd.DataFrame, folder: CaseFolder, directory: Directory | Forest, at_most: int
) -> list[Pair]:
    """Pair what the directory holds of the chosen with what goes back, of the first few."""
    shown = planned[planned["chosen"]].head(at_most)
    held = look_up(directory, shown["person"].tolist())
    with backup.opened(folder) as kept:
        return [
            Pair(
                row["display_name"] or row["account"],
                row["class"],
                None,
                None,
                held[row["person"]].photo if row["person"] in held else None,
                kept.photo(row["back_sha256"]),
                "AD now",
                "goes back",
            )
            for row in shown.to_dict("records")
        ]


def _facts(row: Mapping[str, Any], held: Held | None, link: Link | None, kind: str) -> dict[str, Any]:
    return {
        "person": row["person"],
        "account": row["account"],
        "display_name": row["display_name"],
        "class": kind,
        "now_sha256": held.sha256 if held else "",
        "back_sha256": (link.sha256 if link else None) or "",
        "now_bytes": len(held.photo) if held and held.photo is not None else None,
    }


def _prospect(
    row: Mapping[str, Any],
    held: Held | None,
    kept: Backup,
    directory: Directory | Forest,
    pictures: Mapping[str, str],
) -> dict[str, Any]:
    """Say of somebody chosen what goes back, whether it may, and whether it would stay."""
    photo, picture = kept.photo(row["back_sha256"]), pictures.get(row["person"], "")
    writable = directory.writable_attributes(held.distinguished_name) if held else frozenset()
    return {
        "chosen": True,
        "back_bytes": None if photo is None else len(photo),
        "writable": THUMBNAIL.lower() in {name.lower() for name in writable},
        "returns": picture not in {"", row["back_sha256"]},
    }


def _past(folder: CaseFolder) -> _Past:
    events = Journal(folder.journal).events()
    begun = [event["time"] for event in events if event.get("kind") in {"gate", "run"}]
    exports = [event["time"] for event in events if event.get("name") == "directory export"]
    restores = Journal(folder.path / JOURNAL).events()
    return _Past(
        began=datetime.fromisoformat(begun[0]) if begun else None,
        exported_at=datetime.fromisoformat(exports[-1]) if exports else None,
        exported=_exported(folder),
        restored=frozenset(event["person"] for event in restores if event.get("result") == "ok"),
    )


def _exported(folder: CaseFolder) -> dict[str, str]:
    """Return the photos that the fix exported: account to hash."""
    path = folder.path / "exports.parquet"
    if not path.is_file():
        return {}
    try:
        exports = pd.read_parquet(path)
    except (OSError, ValueError) as error:
        raise CaseError(
            f"'{path}' cannot be read", str(error), "take it from a backup, or delete it"
        ) from error
    return dict(zip(exports["account"], exports["sha256"], strict=True))


def _pictures(folder: CaseFolder) -> dict[str, str]:
    """Return the hash of SharePoint's picture of everybody, as it was last measured."""
    people = folder.people("after" if folder.measured("after") else "before")
    return dict(zip(people["person"], people["sharepoint_sha256"], strict=True))
