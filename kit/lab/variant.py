"""How one farm differs from the next: build, configuration and rights change what its services answer."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Variant:
    """The choices of one farm; the defaults are those of a live 2016 farm as far as they are known.

    Parameters
    ----------
    name_parameter : str
        What ``GetUserProfileByName`` calls its parameter: ``AccountName`` on live servers, ``accountName`` in
        the published description. Another spelling counts as no name at all.
    first_index : int
        Lowest number at which the walk may begin, -1 or 0; below it there is nothing.
    deleted_records_lead_on : bool
        What a walk finds at a record that has been deleted since it was named: an answer without a profile
        that leads on, instead of the next profile. Which of the two the product does is unproven.
    guarded : frozenset[str]
        SOAP operations that need Manage Profiles, beside those that write; on a real farm those that read
        everyone (MS-UPSWS 3.1.4.23), which this one leaves open.
    describes_itself : bool
        Whether ``?wsdl`` is answered; hardened farms take it away.
    searches : bool
        Whether the web application is connected to a search service application.
    picture_user_editable : bool
        Whether the profile property ``PictureURL`` may be set by its owner.
    phone_user_editable : bool
        The same of ``WorkPhone``.
    """

    name_parameter: str = "AccountName"
    first_index: int = -1
    deleted_records_lead_on: bool = False
    guarded: frozenset[str] = frozenset()
    describes_itself: bool = True
    searches: bool = True
    picture_user_editable: bool = True
    phone_user_editable: bool = True
