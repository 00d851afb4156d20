"""What in MIM's configuration speaks against deleting the SharePoint connector space and exporting photos.

A connector space is rebuilt by imports, but while it is empty MIM recalls what its objects contributed and
applies the metaverse's deletion rules, so that a wrong setting can wipe photos or people. That both happen at
the time of the deletion is inferred from Microsoft's own checklist for it (TechNet wiki 4189), not stated for
MIM 2016.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from kit import hazards, obstacles
from kit.errors import KitError
from kit.findings import SEVERITIES, Finding, frame
from kit.flow import THUMBNAIL, PhotoFlow

if TYPE_CHECKING:
    from kit.configuration import Configuration

__all__ = ["THUMBNAIL", "Finding", "frame", "judge", "photos_at_risk"]


def judge(configuration: Configuration, people: pd.DataFrame | None = None) -> list[Finding]:
    """Apply every rule to a configuration.

    Parameters
    ----------
    configuration : Configuration
        A saved configuration of a site whose photos flow from SharePoint to Active Directory.
    people : DataFrame, optional
        Columns of `kit.schema.PEOPLE`; with them the photos at risk are counted.

    Returns
    -------
    list[Finding]
        The gravest first; only the missing agent where an agent cannot be told.
    """
    try:
        flow = PhotoFlow.of(configuration, people)
    except KitError as error:
        evidence = f"{configuration.metaverse_file.parent}: {error.cause}"
        consequence = "nothing else in the configuration can be judged"
        return [Finding("stop", error.what, evidence, consequence, error.next_step)]
    found = [finding for rule in (*hazards.RULES, *obstacles.RULES) for finding in rule(flow)]
    return sorted(found, key=lambda finding: SEVERITIES.index(finding.severity))


def photos_at_risk(configuration: Configuration, people: pd.DataFrame) -> int:
    """Count the photos that an AD export would remove between the deletion and the full synchronization.

    Computed from import and export flows, their precedence and ``suppress-deletions``, recall, deletion rules
    and deprovisioning; see `kit.flow.PhotoFlow.removed`.

    Parameters
    ----------
    configuration : Configuration
    people : DataFrame
        Columns of `kit.schema.PEOPLE`, as measured before the fix.

    Returns
    -------
    int

    Raises
    ------
    NotFoundError, CaseError
        One of the two agents is missing, or there is more than one.
    """
    return int(PhotoFlow.of(configuration).removed(people).sum())
