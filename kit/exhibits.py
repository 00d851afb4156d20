"""Exhibits: what was seen of the people whom a cause explains, counted in words; nobody is named."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import pandas as pd

from kit import addresses, runs, schema, signs
from kit.cause import Cause
from kit.observation import Observation

_MOST = 2
"""Different things that are told of one column, the most frequent first; the others are counted together."""

_WAITING = {"pending_import": "import", "pending_export": "export", "unconfirmed_export": "confirmation"}
_WAITS = {
    "current": "the new picture waits",
    "old": "an old picture waits",
    "none": "no picture waits",
    "uncertain": "a picture to be looked at waits",
    "unreadable": "something that is no picture waits",
}
_HOLDS = {
    "current": "holds the new picture",
    "old": "holds an old picture",
    "none": "holds no picture",
    "absent": "has no object",
    "uncertain": "needs a look",
    "unreadable": "holds something that is no picture",
}
_FLAGS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "full_import_since": ("a full import since the upload", "no full import since the upload"),
        "delta_import_since": ("a delta import since the upload", "no delta import since the upload"),
        "joined": ("joined in the metaverse", "not joined in the metaverse"),
        "in_directory": ("an account in the directory", "no account in the directory"),
        "in_sharepoint": ("a profile in SharePoint", "no profile in SharePoint"),
        "enabled": ("account enabled", "account disabled"),
        "cached_picture": ("an earlier file out of a cache", "no earlier file out of a cache"),
        "removal_pending": ("an export waits that removes the photo", "no removal of the photo waits"),
    }
)
"""What yes and no of a flag mean."""
_TEXTS: Mapping[str, str] = MappingProxyType(
    {
        "directory_sha256": "photo in Active Directory",
        "fresh_sha256": "file behind the cache",
        "mail": "mail address in the directory",
        "work_email": "mail address in SharePoint",
        "site_copy": "address in the site's copy",
        "search_picture": "address in people search",
    }
)
"""Texts that are somebody's own: only whether there is one is told."""
_UNTOLD = frozenset({"detail"})
"""Columns to read, not to count."""
_FORMS: Mapping[str, str] = MappingProxyType(
    {
        "thumbnail": "a thumbnail's address, the same after every upload",
        "imported": "the address of an imported file without thumbnails",
        "placeholder": "a placeholder's address",
        "other": "an address of another kind",
        "unusable": "an address that cannot be asked",
        "": "no address of a picture",
    }
)
"""What the address of a picture is, by its form; see `kit.addresses.Place`."""
_CODES: Mapping[str, str] = MappingProxyType(
    {
        "verdict": "verdict",
        "kind": "kind of account",
        "picture_kind": "answer of the picture's address",
        "error_kind": "kind of error",
        "thumbnails": "what exists of S, M and L",
        "writer": "last writer of the photo",
        "stopped_at": "hop where the photo stopped",
        "export_operation": "pending export of the AD object",
        "sharepoint_export_operation": "pending export of the SharePoint object",
        "sharepoint_objects": "number of SharePoint objects joined",
        "placeholder_state": "SPS-PicturePlaceholderState",
        "exchange_sync_state": "SPS-PictureExchangeSyncState",
    }
)
_RANGES: Mapping[str, str] = MappingProxyType(
    {
        "picture_timestamp": "uploaded",
        "change_logged_at": "in the change log",
        "directory_changed_at": "written in the directory",
        "exported_at": "last export that got through",
        "directory_bytes": "bytes in Active Directory",
        "sharepoint_bytes": "bytes in SharePoint",
        "directory_photo_side": "pixels in Active Directory",
        "directory_version": "writes of the photo",
    }
)


def told(cause: Cause, observation: Observation, people: pd.Series) -> str:
    """Say in counts what was seen: of some people, and of the farm.

    Parameters
    ----------
    cause : Cause
    observation : Observation
    people : Series of bool
        On the index of the observation's people: those whom the cause explains.

    Returns
    -------
    str
        ``no delta import since the upload: 7 of 7; uploaded: 2026-05-01 08:00 to 2026-05-15 12:00 UTC``. No
        name, account or address is in it.
    """
    mine = observation.people[people]
    columns = [one for one in cause.evidence if not one.startswith("farm: ") and one not in _UNTOLD]
    seen = [text for column in columns for text in _column(mine, column)] if len(mine) else []
    asked = [one.removeprefix("farm: ") for one in cause.evidence if one.startswith("farm: ")]
    wide = [_farm(about, cause, observation) for about in asked]
    return "; ".join(filter(None, [*seen, *wide]))


def _column(people: pd.DataFrame, column: str) -> list[str]:
    if column in _RANGES:
        return [_range(people[column], _RANGES[column])]
    phrases = _phrases(people, column)
    counts = phrases[phrases.ne("")].value_counts()
    told = [f"{phrase}: {count:,} of {len(people):,}" for phrase, count in counts.head(_MOST).items()]
    if rest := int(counts.iloc[_MOST:].sum()):
        told.append(f"otherwise: {rest:,} of {len(people):,}")
    return told


def _phrases(people: pd.DataFrame, column: str) -> pd.Series:
    """Say of each person what a column tells."""
    values = people[column]
    if column in schema.HOPS:
        return values.map(lambda state: f"{schema.HOPS[column]} {_HOLDS.get(state, 'not known')}")
    if column in _WAITING:
        what = f"for {_WAITING[column]}"
        return values.map(lambda state: f"{_WAITS.get(state, 'not known what waits')} {what}")
    if column in _FLAGS:
        yes, no = _FLAGS[column]
        return values.astype("object").map({True: yes, False: no}).fillna(f"not known whether {yes}")
    if column in _CODES:
        words = values.astype("str").replace({"": "none", "-": "none"} | schema.HOPS).fillna("not known")
        return _CODES[column] + " is " + words.str.replace("_", " ")
    if column in _DERIVED:
        return _DERIVED[column](people)
    return values.ne("").map({True: f"with {_TEXTS[column]}", False: f"without {_TEXTS[column]}"})


def _range(values: pd.Series, name: str) -> str:
    known = values.dropna()
    if known.empty:
        return f"{name}: not known"
    least, most = known.min(), known.max()
    if isinstance(least, pd.Timestamp):
        first, last, unit = f"{least:%Y-%m-%d %H:%M}", f"{most:%Y-%m-%d %H:%M}", " UTC"
    else:
        first, last, unit = f"{least:,}", f"{most:,}", ""
    both = first if first == last else f"{first} to {last}"
    some = f" ({len(known):,} of {len(values):,})" if len(known) < len(values) else ""
    return f"{name}: {both}{unit}{some}"


def _owner(people: pd.DataFrame) -> pd.Series:
    held = people["sharepoint_object_account"]
    own = held.str.casefold().eq(people["account"].str.casefold())
    return own.map({True: "joined to the own profile", False: "joined to another account's profile"}).mask(
        held.eq(""), "account of the joined profile not known"
    )


def _form(people: pd.DataFrame) -> pd.Series:
    claims = people["profile_account"].str.contains("|", regex=False)
    return claims.map({True: "account stored as a claim", False: "account stored as a Windows account"})


def _second(people: pd.DataFrame) -> pd.Series:
    return (
        people["profile_of"]
        .ne("")
        .map({True: "somebody's second profile", False: "no second profile itself"})
    )


def _address(people: pd.DataFrame) -> pd.Series:
    forms = people["picture_url"].map(lambda url: addresses.place(url).form if url else "")
    return forms.map(_FORMS)


def _error(people: pd.DataFrame) -> pd.Series:
    status = people["error"].str.extract(r"\bHTTP (\d{3})\b", expand=False)
    return ("answered with HTTP " + status).fillna(
        people["error"].ne("").map({True: "an error without an HTTP status", False: ""})
    )


_DERIVED: Mapping[str, Callable[[pd.DataFrame], pd.Series]] = MappingProxyType(
    {
        "sharepoint_object_account": _owner,
        "profile_account": _form,
        "profile_of": _second,
        "picture_url": _address,
        "error": _error,
    }
)
"""Texts of which only something derived is told."""


def _farm(about: str, cause: Cause, observation: Observation) -> str:
    """Say what was seen of the farm; what the configuration has where that is what is asked."""
    if found := (signs.obstacles(observation) or {}).get(cause.name):
        return found
    known = _FARM.get(about)
    return known(observation) if known else ""


def _direction(observation: Observation) -> str:
    flows = signs.flows_to_directory(observation)
    if flows is None:
        return "direction of the photo's flow not known"
    return (
        "photos flow from SharePoint to Active Directory"
        if flows
        else "the configuration bars the photos' way"
    )


def _last_import(observation: Observation) -> str:
    return _ended("import of the SharePoint agent", observation, "full import", "delta import")


def _ended(name: str, observation: Observation, *kinds: str) -> str:
    ran = signs.runs_of(observation, observation.sharepoint_agent, *kinds)
    return f"last {name}: {ran['status'].iloc[0]}" if len(ran) else f"last {name}: not known"


def _last_runs(observation: Observation) -> str:
    history = observation.history.sort_values("started", ascending=False)
    last = history.drop_duplicates(["agent", "run_profile"])["status"].map(runs.classify)
    counts = last.value_counts()
    return ", ".join(f"last runs {kind}: {count:,} of {len(last):,}" for kind, count in counts.items())


def _exports(observation: Observation) -> str:
    exports = signs.runs_of(observation, observation.directory_agent, "export")
    return f"exports of the directory agent in the history: {len(exports):,}"


def _errors(side: str, agents: Sequence[str]) -> Callable[[Observation], str]:
    def count(observation: Observation) -> str:
        found = [signs.standing(observation, getattr(observation, agent), side) for agent in agents]
        return f"{side} errors on the farm: {sum(map(len, found)):,}"

    return count


def _deletions(observation: Observation) -> str:
    counted = sum(counters.get("NumExportDelete", 0) for counters in observation.counters.values())
    return f"pending deletions: {counted:,}" if observation.counters else "pending deletions not known"


def _clocks(observation: Observation) -> str:
    errors = [error.total_seconds() for error in observation.clock_errors.values()]
    return (
        f"clocks off by {min(errors):+,.0f} to {max(errors):+,.0f} seconds" if errors else "clocks not known"
    )


def _domains(observation: Observation) -> str:
    return f"domains of the forest known: {len(observation.domains):,}"


def _editable(observation: Observation) -> str:
    may = {
        True: "may be edited by users",
        False: "may not be edited by users",
        None: "not known to be editable",
    }
    return f"PictureURL {may[observation.picture_editable]}"


def _home(observation: Observation) -> str:
    return f"My Site host {'known' if observation.my_site else 'not known'}"


_FARM: Mapping[str, Callable[[Observation], str]] = MappingProxyType(
    {
        "direction of the photo's flow": _direction,
        "the SharePoint agent's last import": _last_import,
        "status of the last runs": _last_runs,
        "run profiles and history of the directory agent": _exports,
        "discovery errors": _errors("discovery", ["sharepoint_agent"]),
        "import errors": _errors("import", ["sharepoint_agent", "directory_agent"]),
        "export errors": _errors("export", ["directory_agent"]),
        "export errors of the SharePoint agent": _errors("export", ["sharepoint_agent"]),
        "NumExportDelete": _deletions,
        "errors of the clocks": _clocks,
        "NetBIOS names of the domains": _domains,
        "address of the My Site host": _home,
        "the schema of user profiles": _editable,
    }
)
