"""Holograms: the XML in which MIM shows what a connector space holds for one object."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from kit.errors import ProtocolError

Value = bytes | str | tuple[bytes | str, ...] | None
"""An attribute's value: bytes if binary, a tuple if multivalued, None if the change removes it."""


@dataclass(frozen=True)
class ConnectorSpaceObject:
    r"""One object in the connector space of one management agent (MIIS_CSObject, Microsoft Learn ms697741).

    Parameters
    ----------
    guid : str
        The object's own GUID, in braces.
    dn : str
        Its distinguished name in the connected system's form; the anchor where there is none.
    agent : str
        The management agent's name.
    metaverse_guid : str
        The metaverse object it is joined to; empty for a disconnector.
    object_type : str
        Its object class.
    account : str
        ``contoso\anna``, lower case; empty where the object has none.
    hologram : Mapping[str, Value]
        What the last import saw.
    pending_import : Mapping[str, Value]
        What the next synchronisation will see; empty if nothing is pending.
    unapplied_export : Mapping[str, Value]
        What the next export will leave behind; empty if nothing is pending.
    unconfirmed_export : Mapping[str, Value]
        What was exported and awaits the confirming import, or is being exported; empty if nothing is.
    export_operation : str
        What the next export will do to the object: ``add``, ``update``, ``delete``, or empty for nothing.
    export_delta : Mapping[str, Value] or None
        What the next export will change, where the source says it; None where it follows from the layers.
    new_dn : str
        The distinguished name that the next export gives the object; empty if it keeps its own.
    links : tuple of str
        GUIDs of the objects joined to the same metaverse object, where the source names them instead of it.
    """

    guid: str
    dn: str
    agent: str
    metaverse_guid: str
    object_type: str
    account: str
    hologram: Mapping[str, Value]
    pending_import: Mapping[str, Value]
    unapplied_export: Mapping[str, Value]
    unconfirmed_export: Mapping[str, Value]
    export_operation: str = ""
    export_delta: Mapping[str, Value] | None = None
    new_dn: str = ""
    links: tuple[str, ...] = ()

    @classmethod
    def of(cls, instance: Mapping[str, str]) -> ConnectorSpaceObject:
        """Read an instance of MIIS_CSObject.

        Raises
        ------
        ProtocolError
            One of its holograms is not one.
        """
        return cls(
            guid=instance.get("Guid", ""),
            dn=instance.get("Dn", ""),
            agent=instance.get("MaName", ""),
            metaverse_guid=instance.get("MvGuid", ""),
            object_type=instance.get("ObjectType", ""),
            account=join_account(instance.get("Domain", ""), instance.get("Account", "")),
            hologram=parse_hologram(instance.get("Hologram", "")),
            pending_import=parse_hologram(instance.get("PendingImportHologram", "")),
            unapplied_export=parse_hologram(instance.get("UnappliedExportHologram", "")),
            unconfirmed_export=parse_hologram(_exported(instance)),
            export_operation=_export_operation(instance),
            new_dn=_new_dn(instance),
        )

    @property
    def export_changes(self) -> dict[str, Value]:
        """What the next export will change: attribute to new value, None where it removes the attribute.

        It is the difference between the layer with the pending export and the one beneath it; a rename is
        a change of ``dn``. Empty for a deletion, which :attr:`export_operation` tells.
        """
        if self.export_operation not in {"add", "update", "replace"}:
            return {}
        renamed: dict[str, Value] = {"dn": self.new_dn} if self.new_dn else {}
        if self.export_delta is not None:
            return {**renamed, **self.export_delta}
        beneath = self.unconfirmed_export or self.hologram
        return renamed | {
            name: self.unapplied_export.get(name)
            for name in sorted(beneath.keys() | self.unapplied_export.keys())
            if self.unapplied_export.get(name) != beneath.get(name)
        }


def join_account(domain: str, name: str) -> str:
    r"""Return whose an object is, lower case: the bare name where it does not tell the domain.

    Examples
    --------
    >>> join_account("CONTOSO", "Anna"), join_account("", "Anna"), join_account("CONTOSO", "")
    ('contoso\\anna', 'anna', '')
    """
    return "\\".join(filter(None, (domain, name))).lower() if name else ""


def parse_hologram(xml: str) -> dict[str, Value]:
    """Read the attributes of an ``<entry>`` (a hologram) or a ``<delta>`` (the change that leads to one).

    Parameters
    ----------
    xml : str
        The property's text; empty when the layer does not exist.

    Returns
    -------
    dict[str, Value]
        Attribute name to value.

    Raises
    ------
    ProtocolError
        The text is neither.

    Examples
    --------
    >>> parse_hologram('<entry dn="CN=Anna"><attr name="title"><value>Dr</value></attr></entry>')
    {'title': 'Dr'}
    >>> parse_hologram('<delta operation="update"><attr name="thumbnailPhoto" operation="delete"/></delta>')
    {'thumbnailPhoto': None}
    """
    try:
        return attributes(_root(xml))
    except (ParseError, DefusedXmlException, ValueError, binascii.Error) as error:
        raise ProtocolError(
            f"a hologram from MIM could not be read: {xml[:60]!r}",
            f"it is not the XML of a connector-space object ({error})",
            "look at the object in miisclient.exe (Search Connector Space)",
        ) from error


def attributes(layer: Element) -> dict[str, Value]:
    """Read the attributes of an ``<entry>`` or ``<delta>``; base64 that is none raises ValueError."""
    return {
        attribute.get("name", ""): _value(attribute)
        for attribute in layer
        if attribute.tag in {"attr", "dn-attr"}
    }


def _root(xml: str) -> Element:
    root: Element = fromstring(xml) if xml.strip() else Element("entry")
    if root.tag not in {"entry", "delta"}:
        raise ValueError(f"<{root.tag}>")
    return root


def _exported(instance: Mapping[str, str]) -> str:
    """Return what was exported last; what is in progress lies above what is not confirmed (ms695996)."""
    return instance.get("EscrowedExportHologram") or instance.get("UnconfirmedExportHologram", "")


def _export_operation(instance: Mapping[str, str]) -> str:
    pending = instance.get("UnappliedExportHologram", "").strip()
    if not pending:
        return ""
    beneath = _exported(instance) or instance.get("Hologram")
    return _root(pending).get("operation") or ("update" if beneath else "add")


def _new_dn(instance: Mapping[str, str]) -> str:
    """Return the name above a pending export, if it is another one than beneath it."""
    pending = instance.get("UnappliedExportHologram", "")
    beneath = _exported(instance) or instance.get("Hologram", "")
    if not (pending.strip() and beneath.strip()):
        return ""
    root = _root(pending)
    name = root.get("newdn") or root.get("dn") or ""
    before = _root(beneath).get("dn") or ""
    return name if before and name.casefold() != before.casefold() else ""


def _value(attribute: Element) -> Value:
    values = tuple(
        _single(value)
        for value in attribute
        if value.tag in {"value", "dn-value"} and value.get("operation") != "delete"
    )
    if attribute.get("multivalued") == "true" and attribute.get("operation") != "delete":
        return values
    return values[0] if values else None


def _single(value: Element) -> bytes | str:
    text = value.findtext("dn") or value.text or ""
    return base64.b64decode(text) if value.get("encoding") == "base64" else text
