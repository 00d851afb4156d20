"""The columns of the kit's frames: one place for names, dtypes and units."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

TIME = "datetime64[us, UTC]"

VERDICTS = {
    "in_sync": "the same picture in both",
    "stale": "AD shows a different picture",
    "missing_in_ad": "photo in SharePoint only",
    "missing_in_sharepoint": "photo in AD only",
    "no_photo": "no photo in either",
    "placeholder": "a stand-in, not a portrait",
    "unreadable": "corrupt, or not an image",
    "uncertain": "a person must look",
    "unmatched": "person in one system only",
    "unknown": "could not be read",
}
"""Every verdict in the order it is shown, and what it means."""

IDENTITY = {
    "person": "str",  # objectGUID, else the account
    "account": "str",  # contoso\anna, lower case
    "display_name": "str",
    "user_principal_name": "str",
    "mail": "str",
    "distinguished_name": "str",
    "department": "str",
    "kind": "str",  # user, service or deleted; empty for people of whom the directory shows nothing
    "enabled": "boolean",  # in the directory; NA for people who are not there
}
"""Who a person is."""

INVENTORY = IDENTITY | {
    "in_directory": "bool",
    "in_sharepoint": "bool",
    "in_directory_connector_space": "boolean",  # NA: not looked up
    "in_sharepoint_connector_space": "boolean",
    "joined": "boolean",  # one metaverse object holds both
    "profile_account": "str",  # AccountName as SharePoint stores it
    "picture_url": "str",
    "picture_timestamp": TIME,
    "placeholder_state": "Int64",
    "error_kind": "str",  # empty: nothing went wrong for this person
    "error": "str",
    "partial": "str",  # empty: both systems were read to the end; else why not, in every row of the frame
}
"""One row per person: where each one is. ``kit.inventory.take`` makes it."""

PEOPLE = INVENTORY | {
    "verdict": "str",
    "comparison": "str",  # the verdict of kit.photos.compare; empty if nothing was compared
    "distance": "Int64",  # bits of 256
    "correlation": "Float64",  # -1 to 1
    "detail": "str",
    "directory_sha256": "str",  # empty: no photo
    "sharepoint_sha256": "str",
    "directory_bytes": "Int64",
    "sharepoint_bytes": "Int64",
}
"""One row per person: the inventory with the verdict. ``kit.drift.measure`` makes it."""

PLAN = {
    "step": "int64",
    "kind": "str",  # gate, confirm, run or verify
    "name": "str",
    "agent": "str",
    "profile": "str",
    "expected": "str",
}
"""One row per step of the fix."""

EXPORTS = {
    "account": "str",
    "class": "str",  # a key of kit.exports.SUMMARY
    "operation": "str",
    "attributes": "str",
    "sha256": "str",
}
"""One row per pending export of the directory agent."""


def conform(frame: pd.DataFrame, columns: Mapping[str, str]) -> pd.DataFrame:
    """Give a frame exactly the columns of a schema, in order; what is missing becomes null or empty.

    Parameters
    ----------
    frame : DataFrame
        Any rows; columns that the schema does not have are dropped.
    columns : Mapping[str, str]
        Column name to dtype, such as `PEOPLE`.

    Returns
    -------
    DataFrame
        Null text becomes the empty text: in the kit's frames text is never null.

    Examples
    --------
    >>> conform(pd.DataFrame({"step": [1], "colour": ["red"]}), PLAN).to_dict("records")
    [{'step': 1, 'kind': '', 'name': '', 'agent': '', 'profile': '', 'expected': ''}]
    """
    frame = frame.reindex(columns=list(columns))
    text = [name for name, dtype in columns.items() if dtype == "str"]
    flags = [name for name, dtype in columns.items() if dtype == "bool"]
    frame[text] = frame[text].astype("object").fillna("")
    frame[flags] = frame[flags].astype("boolean").fillna(value=False)
    return frame.astype(dict(columns))
