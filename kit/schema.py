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
    "exchange_sync_state": "Int64",  # 1: Exchange owns the picture
    "work_email": "str",  # as SharePoint has it
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
    "likeness": "Float64",  # of the least alike place of the aligned pictures, -1 to 1; see kit.photos
    "core_likeness": "Float64",  # the same in the middle
    "detail": "str",
    "directory_sha256": "str",  # empty: no photo
    "sharepoint_sha256": "str",
    "directory_bytes": "Int64",
    "sharepoint_bytes": "Int64",
    "directory_photo_side": "Int64",  # the longest one, in pixels
    "sharepoint_photo_side": "Int64",
    "picture_kind": "str",  # a key of kit.pictures.KINDS; empty: SharePoint was not asked
}
"""One row per person: the inventory with the verdict. ``kit.drift.measure`` makes it."""

HOPS = {
    "sharepoint": "SharePoint",
    "sharepoint_connector_space": "SharePoint connector space",
    "metaverse": "metaverse",
    "ad_connector_space": "AD connector space",
    "active_directory": "Active Directory",
}
"""Every hop of a photo in the order in which it passes them, and what it is called."""

HOP_STATES = {
    "current": "the picture that SharePoint shows now",
    "old": "another picture",
    "none": "no picture, or nothing pending",
    "absent": "no such object",
    "uncertain": "a person must look",
    "unreadable": "something that is no picture",
    "unknown": "not looked at, or cannot be known",
}
"""What a hop holds, measured against the picture that SharePoint shows now."""

TRACE = {
    "person": "str",
    "account": "str",
    "traced": "bool",  # was looked up
    "source": "str",  # csexport, wmi; empty if not looked up
    "sharepoint": "str",  # this and the next seven: a key of HOP_STATES
    "sharepoint_connector_space": "str",  # the hologram
    "pending_import": "str",
    "metaverse": "str",  # inferred, never read
    "ad_connector_space": "str",  # the hologram
    "pending_export": "str",
    "unconfirmed_export": "str",
    "active_directory": "str",
    "sharepoint_connector_space_sha256": "str",  # empty: no picture
    "pending_import_sha256": "str",
    "ad_connector_space_sha256": "str",
    "pending_export_sha256": "str",
    "unconfirmed_export_sha256": "str",
    "joined": "boolean",  # one metaverse object holds both; NA: not known
    "metaverse_guid": "str",
    "sharepoint_object": "str",  # DN or anchor of the object joined to the person, else of the one found
    "sharepoint_object_account": "str",  # its own account, lower case; empty: not known
    "sharepoint_objects": "Int64",  # SharePoint objects joined to the person's metaverse object
    "directory_guid": "str",  # the two connector-space objects
    "sharepoint_guid": "str",
    "export_operation": "str",  # pending on the AD object: add, update, delete; empty: nothing
    "removal_pending": "boolean",  # an export waits that takes the photo, or the account, out of AD
    "sharepoint_export_operation": "str",  # the same, on the SharePoint object
    "stopped_at": "str",  # a key of HOPS, "unknown", or empty: every hop holds SharePoint's picture
    "change_logged_at": TIME,  # the last change of the person's picture in SharePoint's change log
    "full_import_at": TIME,  # start of the SharePoint agent's last full import that succeeded
    "delta_import_at": TIME,
    "directory_changed_at": TIME,  # replication stamp of thumbnailPhoto
    "exported_at": TIME,  # start of the directory agent's last export that succeeded
    "full_import_since": "boolean",  # one began after picture_timestamp; NA: not known
    "delta_import_since": "boolean",
}
"""One row per person: what each hop holds, and where the photo stopped. ``kit.trace.follow`` makes it."""

LOOKS = {
    "person": "str",
    "thumbnails": "str",  # sizes that exist, of S, M and L; "-": none; empty: not looked at
    "site_copy": "str",  # address in the site's User Information List; empty: not known
    "search_picture": "str",  # address in people search; empty: not known
    "cached_picture": "boolean",  # the address answers with an earlier file; NA: not looked at
    "fresh_sha256": "str",  # of the file behind the cache, where it was asked for
    "profile_of": "str",  # account of the person whose second profile this row is
}
"""One row per person: what a closer look at the pictures gave. ``kit.looks.take`` makes it."""

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
