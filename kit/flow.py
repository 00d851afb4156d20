"""The way of a photo through MIM, from SharePoint to Active Directory, as a configuration lays it out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pandas as pd

if TYPE_CHECKING:
    from kit.agents import ExportFlow, ManagementAgent
    from kit.configuration import Configuration, DeletionRule, ImportFlow

PICTURE = "Picture"
THUMBNAIL = "thumbnailPhoto"


@dataclass(frozen=True)
class PhotoFlow:
    """The parts of a configuration that a photo passes.

    Parameters
    ----------
    configuration : Configuration
    sharepoint, directory : ManagementAgent
        The two agents, told by category and list name.
    people : DataFrame or None
        Columns of `kit.schema.PEOPLE`, to count whom a setting would cost the photo.
    """

    configuration: Configuration
    sharepoint: ManagementAgent
    directory: ManagementAgent
    people: pd.DataFrame | None = field(default=None, repr=False)

    @classmethod
    def of(cls, configuration: Configuration, people: pd.DataFrame | None = None) -> PhotoFlow:
        """Find the two agents.

        Raises
        ------
        NotFoundError, CaseError
            An agent is missing, or there is more than one.
        """
        return cls(configuration, configuration.sharepoint_agent, configuration.directory_agent, people)

    @property
    def agents(self) -> tuple[ManagementAgent, ManagementAgent]:
        """The two agents, in the order in which the fix runs them."""
        return self.sharepoint, self.directory

    @property
    def source(self) -> ImportFlow | None:
        """The import flow of SharePoint's picture into the metaverse."""
        return next((flow for flow in self.configuration.import_flows if self.is_picture(flow)), None)

    @property
    def photo(self) -> str:
        """The metaverse attribute that SharePoint's picture flows into; ``photo`` where none does."""
        return self.source.attribute if self.source else "photo"

    @property
    def object_type(self) -> str:
        """The type of the metaverse objects that have the photo."""
        return self.source.object_type if self.source else "person"

    @property
    def providers(self) -> list[ImportFlow]:
        """The import flows into the photo, in order of precedence."""
        flows = self.configuration.import_flows
        return [
            flow for flow in flows if (flow.attribute, flow.object_type) == (self.photo, self.object_type)
        ]

    @property
    def exports(self) -> list[ExportFlow]:
        """The directory agent's export flows from the photo to ``thumbnailPhoto``."""
        return [flow for flow in self.directory.exports_to(THUMBNAIL) if self.photo in flow.sources]

    @property
    def misdirected(self) -> list[ExportFlow]:
        """The directory agent's export flows from the photo to any other attribute."""
        flows = self.directory.export_flows
        return [flow for flow in flows if self.photo in flow.sources and flow.attribute != THUMBNAIL]

    @property
    def recall(self) -> bool:
        """Whether a disconnected SharePoint object takes its photo back out of the metaverse."""
        return self.sharepoint.guid not in self.configuration.no_recall

    @property
    def exports_deletions(self) -> bool:
        """Whether an empty photo in the metaverse empties ``thumbnailPhoto``."""
        return any(not flow.suppress_deletions for flow in self.exports)

    @property
    def falls_back(self) -> bool:
        """Whether the directory's own photo fills the metaverse where SharePoint's does not.

        Code, and precedence that is neither ranked nor equal, may decide otherwise; they are not counted on.
        """
        return any(
            flow.agent == self.directory.guid
            and THUMBNAIL in flow.sources
            and not flow.scripted
            and flow.precedence in {"ranked", "equal"}
            for flow in self.providers
        )

    @property
    def people_die(self) -> bool:
        """Whether the photo's metaverse objects die with their SharePoint connector, as far as is known."""
        return any(
            rule.object_type == self.object_type and (self.kills(rule) or rule.kind == "scripted")
            for rule in self.configuration.deletion_rules
        )

    @property
    def death_removes(self) -> bool:
        """Whether a photo goes from the directory when its metaverse object dies."""
        return self.directory.deletes_objects or (self.exports_deletions and not self.falls_back)

    def is_picture(self, flow: ImportFlow) -> bool:
        """Tell whether an import flow brings SharePoint's picture."""
        return flow.agent == self.sharepoint.guid and PICTURE in flow.sources

    def kills(self, rule: DeletionRule) -> bool:
        """Tell whether a declared rule deletes objects that lose their SharePoint connector.

        ``declared-any`` does where it names the agent; ``declared-last`` where it does not count the
        directory's connector, which would be left (meaning of the kinds: Microsoft/MIMConfigDocumenter).
        """
        named = {"declared-any": self.sharepoint.guid, "declared-last": self.directory.guid}
        return named.get(rule.kind, "") in rule.agents

    def removed(self, people: pd.DataFrame) -> pd.Series[bool]:
        """Tell whose photo the directory agent would remove between deletion and full synchronization.

        Its own synchronization and export are meant, as a schedule runs them. A photo goes where the
        metaverse has none any more and that is exported, or where the account itself is deleted. What could
        not be read counts as absent, and what only code decides as done.

        Parameters
        ----------
        people : DataFrame
            Columns of `kit.schema.PEOPLE`.

        Returns
        -------
        Series of bool
        """
        joined = people["joined"].fillna(people["in_sharepoint"]).astype("bool")
        exported = people["in_directory_connector_space"].fillna(people["in_directory"]).astype("bool")
        dying = joined & self.people_die
        provided = joined & (people["sharepoint_sha256"] != "") & (self.source is not None)
        emptied = ~provided | dying | self.recall
        if self.falls_back or not self.exports_deletions:
            emptied &= False
        if not self.directory.projects:
            emptied &= ~dying  # nobody is left to export for
        deleted = dying & self.directory.deletes_objects
        return (people["directory_sha256"] != "") & exported & (emptied | deleted)

    @property
    def cost(self) -> str:
        """What an export would cost, as the end of a sentence; empty where the people are not known."""
        if self.people is None:
            return ""
        count = int(self.removed(self.people).sum())
        return f"; an AD export now would remove {count:,} {'photo' if count == 1 else 'photos'}"

    def metaverse(self, element: str) -> str:
        """Return the evidence for an element of the metaverse's file."""
        return f"{self.configuration.metaverse_file.name}: {element}"


def evidence(agent: ManagementAgent, element: str) -> str:
    """Return the evidence for an element of an agent's file."""
    return f"{agent.file.name}: {element}"
