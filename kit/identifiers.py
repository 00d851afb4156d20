"""Every way a person or a server of a case can be named, and the pseudonym that stands for it."""

from __future__ import annotations

import hashlib
import hmac
import re
import urllib.parse
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pandas as pd

SHARED = "person-shared"
"""Stands for a name that more than one person bears."""
DIGITS = 6
"""Hex digits of a pseudonym; more where two people would share one."""


def pseudonyms(people: Iterable[str], key: bytes) -> dict[str, str]:
    """Give every person a name that stays the same within a case and says nothing.

    Parameters
    ----------
    people : iterable of str
        Values of the column ``person``.
    key : bytes
        The case's secret; the same key gives the same pseudonyms.

    Returns
    -------
    dict of str to str

    Examples
    --------
    >>> pseudonyms(["anna", "bert"], b"key")
    {'anna': 'person-d27d46', 'bert': 'person-c534f7'}
    """
    digests = {
        person: hmac.new(key, person.encode(), hashlib.sha256).hexdigest() for person in sorted(set(people))
    }
    taken = Counter(digest[:DIGITS] for digest in digests.values())
    return {
        person: f"person-{digest[: DIGITS if taken[digest[:DIGITS]] == 1 else 32]}"
        for person, digest in digests.items()
    }


def identifiers(people: pd.DataFrame, names: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """Collect every way in which the people of a frame can be named.

    Parameters
    ----------
    people : DataFrame
        One row per person; of the columns ``person`` (needed), ``account``, ``account_name``,
        ``user_principal_name``, ``mail``, ``display_name``, ``distinguished_name``, ``given_name``,
        ``surname`` and those that name somebody in `kit.schema.INVENTORY` and `kit.schema.TRACE` those that
        are there.
    names : Mapping[str, str]
        Pseudonym by ``person``.

    Returns
    -------
    tuple of dict
        Identifier to pseudonym: those that name a person wherever they stand, and parts of names, which do so
        only as the whole of a table cell or a quoted value.
    """
    full: dict[str, str] = {}
    parts: dict[str, str] = {}
    for row in people.to_dict("records"):
        fields = {str(column): str(value) for column, value in row.items() if pd.notna(value) and value != ""}
        name = names[fields["person"]]
        for identifier in _full_identifiers(fields):
            full[identifier] = name if full.get(identifier, name) == name else SHARED
        spoken = " ".join(fields.get(column, "") for column in ("display_name", "given_name", "surname"))
        for part in re.split(r"[\s,]+", spoken):
            parts[part] = name if parts.get(part, name) == name else SHARED
    return full, {part: name for part, name in parts.items() if len(part) > 1 and not part.isdigit()}


def servers(settings: Mapping[str, Any]) -> dict[str, str]:
    """Find the hosts, addresses and service accounts in a case's settings, with the role each one has.

    Examples
    --------
    >>> servers({"mim": {"url": "https://mim01.corp.example:5986/wsman"}})["mim01.corp.example"]
    'mim-server'
    """
    found: dict[str, str] = {}
    for path, value in _leaves(settings):
        words = [word for step in path for word in re.split(r"[\W_]+", step.lower()) if word]
        role = "-".join(
            word
            for word in words
            if word not in {"url", "host", "hosts", "server", "username", "account", "name"}
        )
        if words and words[-1] in {"username", "account"}:
            forms = {value: f"{role}-account", value.rpartition("\\")[2]: f"{role}-account"}
        elif "://" in value:
            forms = dict.fromkeys(_addresses(value), f"{role}-server".lstrip("-"))
        elif words and words[-1] in {"host", "hosts", "server"}:
            forms = {value: f"{role}-server".lstrip("-")}
        else:
            continue
        for form, name in forms.items():
            found[form] = name if found.get(form, name) == name else "server"
    return found


def _full_identifiers(fields: Mapping[str, str]) -> set[str]:
    columns = (
        "person",
        "account",
        "account_name",
        "user_principal_name",
        "mail",
        "display_name",
        "distinguished_name",
        *("work_email", "profile_account"),
        *("sharepoint_object", "sharepoint_object_account"),
        *("metaverse_guid", "directory_guid", "sharepoint_guid"),
    )
    found = {fields[column] for column in columns if column in fields}
    found.add(fields.get("account", "").rpartition("\\")[2])
    account_name = fields.get("account_name") or fields.get("account", "").rpartition("\\")[2]
    if account_name and "\\" in fields.get("account", ""):
        # Names of picture files, and accounts as principals
        domain = fields["account"].partition("\\")[0]
        found |= {f"{domain}_{account_name}", f"{domain}/{account_name}"}
    found.add(fields.get("sharepoint_object_account", "").rpartition("\\")[2])
    addresses = ("user_principal_name", "mail", "work_email")
    found |= {fields.get(column, "").partition("@")[0] for column in addresses}
    common_name = re.match(r"CN=((?:[^,\\]|\\.)+)", fields.get("distinguished_name", ""), re.IGNORECASE)
    if common_name:
        found |= {common_name[1], re.sub(r"\\(.)", r"\1", common_name[1])}
    try:
        guid = uuid.UUID(fields["person"])
    except ValueError:  # people without a directory object are keyed by their account
        return found - {""}
    return (found | {guid.hex, guid.bytes_le.hex()}) - {""}


def _leaves(value: object, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _leaves(inner, (*path, str(key)))
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _leaves(inner, path)
    elif isinstance(value, str):
        yield path, value


def _addresses(url: str) -> set[str]:
    parts = urllib.parse.urlsplit(url)
    host = parts.hostname or ""
    short = host.partition(".")[0]
    found = {f"{parts.scheme}://{parts.netloc}", parts.netloc, host}
    if len(short) > 2 and not host.replace(".", "").isdigit():
        found.add(short)
    return found - {""}
