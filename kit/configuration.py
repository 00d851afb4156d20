"""The synchronization service's saved configuration, read from XML files and judged before the fix.

The folder is what miisclient.exe writes with *File > Export Server Configuration*, or ``svrexport.exe``. File
names vary between tools, so a file is known by its root element, and an agent by its category and list name,
never by its name.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from xml.etree.ElementTree import Element, ParseError

import pandas as pd
from defusedxml import DefusedXmlException, ElementTree

from kit import agents, preflight
from kit.agents import ManagementAgent
from kit.errors import CaseError, NotFoundError

logger = logging.getLogger(__name__)

_AGENT = "saved-ma-configuration"
_METAVERSE = "saved-mv-configuration"
_DATA = {_AGENT: "ma-data", _METAVERSE: "mv-data"}


@dataclass(frozen=True)
class ImportFlow:
    """A flow into a metaverse ``attribute`` from ``sources`` of an agent's connector space objects.

    ``precedence`` is ``ranked`` where the order of the flows decides, ``equal`` where the last import wins.
    ``object_type`` is the metaverse object's; ``scripted`` is True where code computes the value.
    """

    attribute: str
    agent: str
    sources: tuple[str, ...]
    precedence: str
    object_type: str = "person"
    scripted: bool = False


@dataclass(frozen=True)
class DeletionRule:
    """When a metaverse object dies.

    ``declared-any``: with any connector of ``agents``; ``declared-last``: with the last one that is not of
    ``agents``; ``scripted``: when code says so.
    """

    object_type: str
    kind: str
    agents: tuple[str, ...]


@dataclass(frozen=True)
class Configuration:
    """One saved set of files, read.

    Parameters
    ----------
    exported_at : datetime
        When the newest file of the set was saved, UTC; the file's own time where the XML does not tell.
    agents : tuple[ManagementAgent, ...]
        All management agents.
    metaverse_file : Path
        The file that the metaverse's part came from.
    import_flows : tuple[ImportFlow, ...]
        In order of precedence within each metaverse attribute.
    no_recall : frozenset[str]
        GUIDs of the agents whose contributions stay when their objects are disconnected.
    provisioning : str
        ``none``, ``scripted``, ``sync-rule`` or ``both``.
    deletion_rules : tuple[DeletionRule, ...]
        When metaverse objects die.
    """

    exported_at: datetime
    agents: tuple[ManagementAgent, ...]
    metaverse_file: Path
    import_flows: tuple[ImportFlow, ...] = field(repr=False)
    no_recall: frozenset[str] = field(repr=False)
    provisioning: str
    deletion_rules: tuple[DeletionRule, ...] = field(repr=False)

    @property
    def provisioning_enabled(self) -> bool:
        """Whether the metaverse provisions new objects into connector spaces."""
        return self.provisioning != "none"

    @property
    def sharepoint_agent(self) -> ManagementAgent:
        """The one agent for SharePoint's user profiles.

        Raises
        ------
        NotFoundError, CaseError
            There is none, or more than one.
        """
        return _only([agent for agent in self.agents if agent.is_sharepoint], "SharePoint")

    @property
    def directory_agent(self) -> ManagementAgent:
        """The one agent for Active Directory; of several the one that exports ``thumbnailPhoto``.

        Raises
        ------
        NotFoundError, CaseError
            There is none, or more than one.
        """
        directories = [agent for agent in self.agents if agent.is_directory]
        writers = [agent for agent in directories if agent.exports_to(preflight.THUMBNAIL)]
        return _only(writers if writers and len(directories) > 1 else directories, "Active Directory")

    def findings(self, people: pd.DataFrame | None = None) -> pd.DataFrame:
        """Judge the configuration before the connector space is deleted.

        Parameters
        ----------
        people : DataFrame, optional
            Columns of `kit.schema.PEOPLE`; with them the photos at risk are counted.

        Returns
        -------
        pandas.DataFrame
            Text columns severity, finding, evidence, consequence, remedy; ``stop`` before ``warn`` before
            ``note``. No rows when nothing speaks against the fix.
        """
        return preflight.frame(preflight.judge(self, people))


def read(folder: Path) -> Configuration:
    """Read a saved configuration; of several sets (one per subfolder) the newest.

    Parameters
    ----------
    folder : Path
        The folder that the server's configuration was exported to.

    Returns
    -------
    Configuration
        The newest set; of an agent that was saved twice in it, the newer file.

    Raises
    ------
    NotFoundError
        The folder does not exist, or holds no management agents or no metaverse.
    CaseError
        A file cannot be read or is not XML.
    """
    sets: dict[Path, list[_Saved]] = {}
    for saved in sorted(_saved_files(folder), key=lambda saved: saved.at):
        sets.setdefault(saved.file.parent, []).append(saved)
    newest = max(sets.values(), key=lambda files: files[-1].at, default=[])
    by_guid = {saved.data.findtext("id", "").upper(): saved for saved in newest if saved.kind == _AGENT}
    metaverses = [saved for saved in newest if saved.kind == _METAVERSE]
    if not by_guid or not metaverses:
        missing = _METAVERSE if by_guid else _AGENT
        what, cause = (
            f"no saved MIM configuration in {folder}",
            f"no XML file there has the root element {missing}",
        )
        raise NotFoundError(what, cause, "export it in miisclient.exe: File > Export Server Configuration")
    metaverse = metaverses[-1].data
    provisioning = metaverse.find("provisioning")
    return Configuration(
        exported_at=newest[-1].at,
        agents=tuple(agents.parse(saved.data, saved.file) for saved in by_guid.values()),
        metaverse_file=metaverses[-1].file,
        import_flows=tuple(_import_flows(metaverse)),
        no_recall=frozenset(_no_recall(metaverse)),
        provisioning="none" if provisioning is None else provisioning.get("type", "none"),
        deletion_rules=tuple(_deletion_rules(metaverse)),
    )


@dataclass(frozen=True)
class _Saved:
    """One file of a set: its root element's name, and the element with the data."""

    file: Path
    at: datetime
    kind: str
    data: Element


def _saved_files(folder: Path) -> Iterator[_Saved]:
    """Yield the saved files in a folder and its direct subfolders."""
    try:
        if not folder.exists():
            what, cause = f"the configuration folder {folder} cannot be read", "it does not exist"
            raise NotFoundError(what, cause, "give the folder that miisclient.exe exported to")
        folders = [folder, *(entry for entry in folder.iterdir() if entry.is_dir())]
        files = [file for folder in folders for file in folder.iterdir() if file.is_file()]
    except OSError as error:
        what, cause = f"the configuration folder {folder} cannot be read", error.strerror or str(error)
        raise CaseError(what, cause, "give the folder that miisclient.exe exported to") from error
    for file in sorted(files):
        if file.suffix.lower() == ".xml":
            yield from _load(file)


def _load(file: Path) -> Iterator[_Saved]:
    """Parse one file and yield it, unless its root element says that it is something else."""
    try:
        root = ElementTree.parse(file).getroot()
        written = datetime.fromtimestamp(file.stat().st_mtime, UTC)
    except OSError as error:
        what, cause = f"the saved configuration {file} cannot be read", error.strerror or str(error)
        raise CaseError(what, cause, "check the file's rights, or export the configuration again") from error
    except (ParseError, DefusedXmlException) as error:
        what, cause = f"{file} is not a saved configuration", f"its XML cannot be parsed ({error})"
        raise CaseError(what, cause, "export the configuration again, or move the file away") from error
    data = None if root is None else root.find(_DATA.get(root.tag, "no-such-element"))
    if root is None or data is None:
        logger.info("%s is left out: it is no saved configuration", file)
    else:
        yield _Saved(file, _exported_at(root.get("export-date", "")) or written, root.tag, data)


def _exported_at(date: str) -> datetime | None:
    """Read ``export-date``, whose form and time zone are not documented: ISO 8601 and UTC are assumed.

    Examples
    --------
    >>> _exported_at("2024-05-06 07:08:09.123").isoformat()
    '2024-05-06T07:08:09.123000+00:00'
    """
    try:
        moment = datetime.fromisoformat(date)
    except ValueError:
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _import_flows(metaverse: Element) -> Iterator[ImportFlow]:
    for group in metaverse.iterfind("import-attribute-flow/import-flow-set"):
        for flows in group.iterfind("import-flows"):
            for flow in flows.iterfind("import-flow"):
                yield ImportFlow(
                    flows.get("mv-attribute", ""),
                    flow.get("src-ma", "").upper(),
                    agents.source_attributes(flow),
                    flows.get("type", ""),
                    group.get("mv-object-type", ""),
                    agents.is_scripted(flow),
                )


def _no_recall(metaverse: Element) -> Iterator[str]:
    """Yield the agents that are told not to recall; MIM recalls where nothing is said."""
    for options in metaverse.iterfind("import-attribute-flow/per-ma-options/ma-options"):
        if options.findtext("enable-recall", "").lower() == "false":
            yield options.get("ma-id", "").upper()


def _deletion_rules(metaverse: Element) -> Iterator[DeletionRule]:
    for rule in metaverse.iterfind("mv-deletion/mv-deletion-rule"):
        named = tuple((agent.text or "").upper() for agent in rule.iterfind("src-ma"))
        yield DeletionRule(rule.get("mv-object-type", ""), rule.get("type", ""), named)


def _only(candidates: Sequence[ManagementAgent], system: str) -> ManagementAgent:
    if len(candidates) == 1:
        return candidates[0]
    if candidates:
        what = f"there are {len(candidates)} {system} management agents"
        next_step = "save a configuration folder without the agents that the case is not about"
        raise CaseError(what, ", ".join(agent.name for agent in candidates), next_step)
    what, cause = f"there is no {system} management agent", "no saved agent has its category or list name"
    raise NotFoundError(what, cause, "export the server's whole configuration again")
