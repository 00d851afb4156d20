"""A site's saved configuration, written setting by setting, as the rules of the preflight see it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

SHAREPOINT = "{B7E2CB7A-53E4-40E3-B7FB-DEA880F16212}"
DIRECTORY = "{2F3B7C61-0D0E-4C0B-9C43-5F0A6C1D8E27}"
PEOPLE_SYSTEM = "{00000000-0000-0000-0000-0000000000AA}"
PARTITION = "{11111111-0000-0000-0000-00000000000A}"
OTHER_PARTITION = "{22222222-0000-0000-0000-00000000000B}"
STEPS = {
    "Voll": '<step-type type="full-import"><import-subtype>to-cs</import-subtype></step-type>',
    "Delta": '<step-type type="delta-import"><import-subtype>to-cs</import-subtype></step-type>',
    "VollSync": '<step-type type="apply-rules"><apply-rules-subtype>reevaluate-flow-connectors'
    "</apply-rules-subtype></step-type>",
    "DeltaSync": '<step-type type="apply-rules"><apply-rules-subtype>apply-pending'
    "</apply-rules-subtype></step-type>",
    "Schreiben": '<step-type type="export"/>',
}


@dataclass(frozen=True)
class Site:
    """A site's settings; the defaults are those that nothing speaks against."""

    direction: str = "Import only (ALWAYS from SharePoint)"
    schema: str = ""
    selected: tuple[str, ...] = ("UserName", "Picture")
    directory_selected: tuple[str, ...] = ("sAMAccountName", "thumbnailPhoto")
    providers: tuple[tuple[str, str], ...] = ((SHAREPOINT, "Picture"), (DIRECTORY, "thumbnailPhoto"))
    precedence: str = "ranked"
    import_mapping: str = "direct-mapping"
    exports: tuple[tuple[str, str], ...] = (("thumbnailPhoto", "photo"),)
    export_mapping: str = "direct-mapping"
    suppress_deletions: str = "true"
    recall: str = "<enable-recall>false</enable-recall>"
    other_flows: str = ""
    deletion: str = "declared-any"
    deleting: tuple[str, ...] = (DIRECTORY,)
    provisioning: str = "none"
    sharepoint_exports: tuple[tuple[str, str], ...] = (("WorkEmail", "mail"),)
    join: str = "direct-mapping"
    joined_type: str = "user"
    cleanup: str = '<provisioning-cleanup type="declared"><action>make-normal-disconnector</action>'
    sharepoint_cleanup: str = (
        '<provisioning-cleanup type="declared"><action>make-normal-disconnector</action>'
    )
    partitions: tuple[str, ...] = (PARTITION,)
    stepped: str = PARTITION
    imported_types: tuple[str, ...] = ("user", "group")
    operations: str = "1"
    steps: tuple[str, ...] = tuple(STEPS)
    threshold: str = "<delete>10</delete>"
    date: str = "2024-05-06 07:08:09.000"

    def save(self, folder: Path) -> Path:
        """Write the site's three files, none of them named as miisclient.exe would."""
        folder.mkdir(exist_ok=True)
        (folder / "first.xml").write_text(self._sharepoint(), encoding="utf-8")
        (folder / "second.XML").write_text(self._directory(), encoding="utf-8")
        (folder / "MV.xml").write_text(self._metaverse(), encoding="utf-8")
        return folder

    def _agent(self, identity: str, inner: str) -> str:
        runs = "".join(
            f"<run-configuration><name>{name}</name><configuration><step>{STEPS[name]}<threshold>"
            f"<batch-size>50</batch-size>{self.threshold}</threshold><partition>{self.stepped.lower()}"
            "</partition></step></configuration></run-configuration>"
            for name in self.steps
        )
        types = "".join(f"<object-class>{name}</object-class>" for name in self.imported_types)
        partitions = "".join(
            f"<partition><id>{guid}</id><name>part {number}</name><selected>1</selected><filter>"
            f"<object-classes>{types}</object-classes></filter>"
            f"<allowed-operations>{self.operations}</allowed-operations></partition>"
            for number, guid in enumerate(self.partitions, 1)
        )
        return (
            f'<saved-ma-configuration export-date="{self.date}"><ma-data>{identity}{inner}'
            f"<ma-partition-data>{partitions}</ma-partition-data>"
            f"<ma-run-data>{runs}</ma-run-data></ma-data></saved-ma-configuration>"
        )

    def _sharepoint(self) -> str:
        identity = (
            f"<id>{SHAREPOINT.lower()}</id><name>Profile</name><category>Extensible2</category>"
            "<subtype>SharePoint Profile Store</subtype><ma-listname>SharePoint Profile Store</ma-listname>"
        )
        parameters = (
            f'<parameter name="Picture Flow Direction" type="drop-down">{self.direction}</parameter>'
            '<parameter name="Password" type="encrypted-string">c2VjcmV0</parameter>'
        )
        schema = (
            '<schema><d:dsml xmlns:d="http://www.dsml.org/DSML" xmlns:ms="http://www.microsoft.com/MMS/DSML">'
            f'<d:directory-schema><d:attribute-type id="Picture" {self.schema}/></d:directory-schema>'
            "</d:dsml></schema>"
        )
        search = (
            '<search mv-object-type="person"><attribute-mapping mv-attribute="accountName">'
            f"<{self.join}><src-attribute>UserName</src-attribute></{self.join}></attribute-mapping></search>"
        )
        profile = (
            f'<join-profile cd-object-type="{self.joined_type}"><join-criterion>{search}</join-criterion>'
            "</join-profile>"
        )
        return self._agent(
            identity,
            f"{schema}{_inclusion(self.selected)}<join>{profile if self.join else ''}</join>"
            f"{_export_flows(self.sharepoint_exports)}{self.sharepoint_cleanup}</provisioning-cleanup>"
            f"<private-configuration><MAConfig><parameter-values>{parameters}</parameter-values></MAConfig>"
            "</private-configuration>",
        )

    def _directory(self) -> str:
        identity = f"<id>{DIRECTORY}</id><name>Verzeichnis</name><category>AD</category><ma-listname/>"
        flows = _export_flows(self.exports, self.suppress_deletions, self.export_mapping)
        return self._agent(
            identity,
            f"{_inclusion(self.directory_selected)}{flows}{self.cleanup}</provisioning-cleanup>"
            '<projection><class-mapping type="scripted" cd-object-type="user"/></projection>',
        )

    def _metaverse(self) -> str:
        flows = "".join(
            f'<import-flow src-ma="{agent}" cd-object-type="user"><{self.import_mapping}>'
            f"<src-attribute>{source}</src-attribute></{self.import_mapping}></import-flow>"
            for agent, source in self.providers
        )
        agents = "".join(f"<src-ma>{guid}</src-ma>" for guid in self.deleting)
        return (
            f'<saved-mv-configuration export-date="{self.date}"><mv-data><import-attribute-flow>'
            '<import-flow-set mv-object-type="person">'
            f'<import-flows mv-attribute="photo" type="{self.precedence}">{flows}'
            f"</import-flows>{self.other_flows}</import-flow-set><per-ma-options>"
            f'<ma-options ma-id="{SHAREPOINT}">{self.recall}</ma-options></per-ma-options>'
            f'</import-attribute-flow><provisioning type="{self.provisioning}"/><mv-deletion>'
            f'<mv-deletion-rule mv-object-type="person" type="{self.deletion}">{agents}</mv-deletion-rule>'
            "</mv-deletion></mv-data></saved-mv-configuration>"
        )


def other_flow(attribute: str, precedence: str = "ranked") -> str:
    """Return SharePoint's import flow into another attribute."""
    return (
        f'<import-flows mv-attribute="{attribute}" type="{precedence}"><import-flow src-ma="{SHAREPOINT}" '
        'cd-object-type="user"><direct-mapping><src-attribute>WorkPhone</src-attribute></direct-mapping>'
        "</import-flow></import-flows>"
    )


def _inclusion(attributes: tuple[str, ...]) -> str:
    inner = "".join(f"<attribute>{name}</attribute>" for name in attributes)
    return f"<attribute-inclusion>{inner}</attribute-inclusion>"


def _export_flows(
    flows: tuple[tuple[str, str], ...], suppress_deletions: str = "true", mapping: str = "direct-mapping"
) -> str:
    inner = "".join(
        f'<export-flow cd-attribute="{attribute}" suppress-deletions="{suppress_deletions}"><{mapping}>'
        f"<src-attribute>{source}</src-attribute></{mapping}></export-flow>"
        for attribute, source in flows
    )
    return f"<export-attribute-flow><export-flow-set>{inner}</export-flow-set></export-attribute-flow>"
