"""The XML in which the synchronization service shows an object's hologram and the changes that wait on it."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass, field
from functools import cached_property
from xml.etree.ElementTree import Element, SubElement, tostring

from kit.lab.rules import AgentRules
from kit.lab.space import Attributes, ConnectorSpaceObject, Delta, Value

_ILLEGAL = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def text_child(parent: Element, tag: str, text: str, **attributes: str) -> Element:
    """Add an element with text; characters that XML 1.0 does not know become U+FFFD."""
    child = SubElement(parent, tag, attributes)
    child.text = _ILLEGAL.sub("\ufffd", text)
    return child


def entry_xml(dn: str, anchor: str, object_type: str, values: Attributes) -> str:
    """Return a hologram as text.

    Element names are those of csexport's ``synchronized-hologram/entry``; how the anchor's bytes are made is
    not documented, so here they are its text in UTF-16.

    Examples
    --------
    >>> entry_xml("anna", "a", "user", {"WorkPhone": "1"}).partition("</objectclass>")[2]
    '<attr name="WorkPhone" type="string" multivalued="false"><value>1</value></attr></entry>'
    """
    root = _element("entry", dn, anchor)
    _object_class(root, object_type)
    for name, value in sorted(values.items()):
        _attribute(root, name, value, "")
    return tostring(root, encoding="unicode")


def delta_xml(dn: str, anchor: str, object_type: str, delta: Delta) -> str:
    """Return a change as csexport shows it; an attribute that goes has ``operation="delete"`` and no value.

    Examples
    --------
    >>> "thumbnailPhoto" in delta_xml("CN=Anna", "a", "user", Delta("update", {"thumbnailPhoto": None}))
    True
    """
    root = _element("delta", dn, anchor)
    root.set("operation", delta.operation)
    if delta.new_dn:
        root.set("newdn", delta.new_dn)
    if delta.operation == "add":
        _object_class(root, object_type)
    operation = "add" if delta.operation == "add" else "replace"
    for name, value in sorted(delta.changes.items()):
        _attribute(root, name, value, operation if value is not None else "delete")
    return tostring(root, encoding="unicode")


def _element(tag: str, dn: str, anchor: str) -> Element:
    root = Element(tag, {"dn": dn})
    text_child(root, "anchor", base64.b64encode(anchor.encode("utf-16-le")).decode(), encoding="base64")
    return root


def _object_class(root: Element, object_type: str) -> None:
    text_child(root, "primary-objectclass", object_type)
    text_child(SubElement(root, "objectclass"), "oc-value", object_type)


def _attribute(parent: Element, name: str, value: Value | None, operation: str) -> None:
    attribute = SubElement(parent, "attr", {"name": name})
    if operation:
        attribute.set("operation", operation)
    if value is None:
        return
    binary = isinstance(value, bytes)
    attribute.set("type", "binary" if binary else "string")
    attribute.set("multivalued", "false")
    if isinstance(value, bytes):
        text_child(attribute, "value", base64.b64encode(value).decode(), encoding="base64")
    else:
        text_child(attribute, "value", value)


@dataclass(frozen=True)
class ConnectorSpaceView:
    """What WMI shows of one object (MIIS_CSObject, Microsoft Learn ms697741), as it stood when asked for.

    Each of the four layers is the text of an ``entry``, empty where the layer does not exist: the hologram;
    the hologram with the pending import; with the unconfirmed export; with that and the pending export. A
    layer that ends in the object's deletion has no entry; it is the ``delta`` (unproven: no source shows it).
    """

    guid: str
    dn: str
    anchor: str
    agent: str
    agent_guid: str
    metaverse_guid: str
    account: str
    domain: str
    user_principal_name: str
    object_type: str
    partition_name: str
    hologram: Attributes | None = field(repr=False)
    pending_import: Delta | None = field(repr=False)
    unapplied_export: Delta | None = field(repr=False)
    unconfirmed_export: Delta | None = field(repr=False)

    @classmethod
    def of(cls, item: ConnectorSpaceObject, agent: AgentRules) -> ConnectorSpaceView:
        """Take a picture of an object."""
        return cls(
            guid=item.guid,
            dn=item.dn,
            anchor=item.anchor,
            agent=agent.name,
            agent_guid=agent.guid,
            metaverse_guid=item.metaverse_guid,
            account=item.account,
            domain=item.domain,
            user_principal_name=item.user_principal_name,
            object_type=item.object_type,
            partition_name=agent.partition,
            hologram=item.hologram,
            pending_import=item.pending_import,
            unapplied_export=item.unapplied_export,
            unconfirmed_export=item.unconfirmed_export,
        )

    @cached_property
    def hologram_xml(self) -> str:
        """What the last synchronised import saw."""
        return self._entry(self.hologram) if self.hologram is not None else ""

    @cached_property
    def pending_import_xml(self) -> str:
        """What the next synchronisation will make the hologram."""
        return self._layer(self.hologram, self.pending_import)

    @cached_property
    def unconfirmed_export_xml(self) -> str:
        """What the connected system should hold after the last export."""
        return self._layer(self.hologram, self.unconfirmed_export)

    @cached_property
    def unapplied_export_xml(self) -> str:
        """What the connected system should hold after the next export."""
        exported = self.unconfirmed_export
        return self._layer(
            exported.apply(self.hologram) if exported else self.hologram, self.unapplied_export
        )

    @property
    def unapplied_export_delta_xml(self) -> str:
        """The pending export itself, as csexport shows it."""
        return self._delta(self.unapplied_export) if self.unapplied_export else ""

    def _layer(self, below: Attributes | None, delta: Delta | None) -> str:
        if delta is None:
            return ""
        above = delta.apply(below)
        return self._entry(above) if above is not None else self._delta(delta)

    def _entry(self, values: Attributes) -> str:
        return entry_xml(self.dn, self.anchor, self.object_type, values)

    def _delta(self, delta: Delta) -> str:
        return delta_xml(self.dn, self.anchor, self.object_type, delta)
