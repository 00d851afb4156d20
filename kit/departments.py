"""Where the people sit whose photo is stale: by department, or by organizational unit."""

from __future__ import annotations

import re

import pandas as pd
from matplotlib.figure import Figure

from kit.figure import VERMILION, Chart, bars, count_axis, plain

NOUNS = {"department": "department", "organizational_unit": "organizational unit"}
"""By what people can be put together, and what it is called."""

MOST_LETTERS = 56
"""Of a path, which are shown."""

_PART = re.compile(r"(?:\\.|[^,\\])+")
_HEXADECIMAL = re.compile(r"[0-9A-Fa-f]{2}")
_ESCAPED = re.compile(r"(?:\\[0-9A-Fa-f]{2})+|\\.")


def departments(people: pd.DataFrame, top: int = 10, *, by: str = "department") -> Figure:
    """Draw the share of stale people by department or organizational unit, highest first.

    Parameters
    ----------
    people : DataFrame
        One row per person with ``verdict``, and ``department`` or ``distinguished_name``.
    top : int
        Bars to show at most; the title says how many there are.
    by : str
        A key of `NOUNS`.

    Returns
    -------
    Figure
    """
    names, noun = _names(people, by), NOUNS[by]
    found = people["verdict"].eq("stale").groupby(names).agg(stale="sum", people="size")
    found["share"] = 100 * found["stale"] / found["people"]
    affected = found[found["stale"] > 0].sort_values(["share", "stale"], ascending=False, kind="stable")
    shown = affected.head(top)
    labels = [f"{row.stale:,} of {row.people:,} ({row.share:.0f} %)" for row in shown.itertuples()]
    figure = Chart(height=1.5 + 0.44 * max(len(shown), 1))
    axis = plain(figure.add_subplot())
    bars(axis, [_ending(name) for name in shown.index], list(shown["share"]), labels, kind=(VERMILION, "//"))
    count_axis(axis, shown["share"].max() if len(shown) else 100, f"stale people, % of the {noun}")
    more = f", the {len(shown)} highest shares" if len(affected) > len(shown) else ""
    title = f"Stale photos in {len(affected):,} of {len(found):,} {noun}s{more}; n = {len(people):,}"
    figure.tell(title, "".join(f"{name}: {label}. " for name, label in zip(shown.index, labels, strict=True)))
    return figure


def organizational_unit(distinguished_name: str) -> str:
    r"""Return the path of organizational units that an entry stands in, the outermost first.

    Parameters
    ----------
    distinguished_name : str
        As RFC 4514 writes it; empty for people who are not in the directory.

    Returns
    -------
    str
        Empty where the entry stands in no organizational unit.

    Examples
    --------
    >>> organizational_unit(r"CN=Müller\, Anna,OU=Sales\, Jena,OU=Staff,DC=contoso,DC=example")
    'Staff / Sales, Jena'
    """
    parts = (part.strip() for part in _PART.findall(distinguished_name))
    units = [_ESCAPED.sub(_unescaped, part[3:]) for part in parts if part[:3].upper() == "OU="]
    return " / ".join(reversed(units))


def _unescaped(match: re.Match[str]) -> str:
    """Return the characters that an escape stands for: UTF-8 in hexadecimal, or the one that follows."""
    characters = match[0][1:]
    if not _HEXADECIMAL.match(characters):
        return characters
    return bytes.fromhex(characters.replace("\\", "")).decode(errors="replace")


def _names(people: pd.DataFrame, by: str) -> pd.Series:
    """Return where each person sits, in words for those of whom it is not known."""
    if by == "organizational_unit":
        names = people["distinguished_name"].map(organizational_unit)
    else:
        names = people["department"].fillna("").str.strip()
    return names.astype("str").mask(names == "", f"(no {NOUNS[by]})")


def _ending(path: str) -> str:
    """Keep the end of a path that does not fit: it tells more than its beginning."""
    return path if len(path) <= MOST_LETTERS or " / " not in path else f"…{path[-MOST_LETTERS:]}"
