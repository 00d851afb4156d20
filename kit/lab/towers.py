"""What csexport.exe writes: an agent's connector-space objects with the layers of their towers."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from xml.sax.saxutils import escape, quoteattr

from kit.errors import NotFoundError
from kit.lab.engine import Engine
from kit.lab.layers import ConnectorSpaceView, delta_xml
from kit.lab.space import ConnectorSpaceObject, Delta

_OPTION = re.compile(r"[/-]([fo]):?(.*)", re.IGNORECASE)
_FILTERS: Mapping[str, Callable[[ConnectorSpaceObject], object]] = MappingProxyType(
    {
        "": lambda _: True,
        "s": lambda item: not item.metaverse_guid,
        "i": lambda item: item.import_error,
        "e": lambda item: item.export_error,
        "m": lambda item: item.pending_import,
        "x": lambda item: item.unapplied_export,
    }
)
_NAMED: Mapping[str, Callable[[ConnectorSpaceObject], str]] = MappingProxyType(
    {
        "d": lambda item: item.dn,
        "r": lambda item: item.dn.partition(",")[0],
        "g": lambda item: item.guid,
    }
)
_PARTS = frozenset("fbhdpe")  # what f and p choose is not known
_FLAGS = ("seen-by-import", "rebuild-in-progress", "obsoletion", "need-full-sync", "placeholder-parent")


@dataclass(frozen=True)
class Options:
    """Which objects csexport writes, and which parts of each; no parts are all."""

    filter: str = ""
    name: str = ""
    parts: frozenset[str] = _PARTS

    def wants(self, item: ConnectorSpaceObject) -> bool:
        """Say whether an object passes the filter."""
        if self.filter in _NAMED:
            return _NAMED[self.filter](item).casefold() == self.name.casefold()
        return bool(_FILTERS[self.filter](item))


def parse(arguments: list[str]) -> tuple[str, str, Options]:
    """Read csexport's arguments: agent, file, and ``/f`` and ``/o`` with or without a colon (jj590346).

    Raises
    ------
    ValueError
        They are none.

    Examples
    --------
    >>> agent, file, options = parse(["ADMA", "/fx", "/od"])
    >>> agent, file, options.filter, sorted(options.parts)
    ('ADMA', 'ADMA.xml', 'x', ['d'])
    """
    names: list[str] = []
    chosen: dict[str, str] = {}
    for argument in arguments:
        option = _OPTION.fullmatch(argument)
        if option and option[1].lower() in chosen:
            raise ValueError(f"{argument}: only one filter and one list of parts can be given")
        if option:
            chosen[option[1].lower()] = option[2]
        else:
            names.append(argument)
    if not 1 <= len(names) <= 2:
        raise ValueError("usage: csexport <MA name> [file name] [/f:filter] [/o:parts]")
    kind, _, name = chosen.get("f", "").partition("=")
    parts = frozenset(chosen.get("o", "").lower()) or _PARTS
    if kind.lower() not in {*_FILTERS, *_NAMED} or not parts <= _PARTS:
        raise ValueError(f"unknown option among {' '.join(arguments)}")
    return names[0], (names[1] if len(names) == 2 else f"{names[0]}.xml"), Options(kind.lower(), name, parts)


def document(engine: Engine, agent: str, options: Options) -> str:
    """Return the whole file.

    Raises
    ------
    NotFoundError
        There is no such agent.
    """
    known = {name.casefold(): name for name in engine.agents}
    if agent.casefold() not in known:
        cause = f"the service has {', '.join(engine.agents)}"
        raise NotFoundError(f"management agent {agent!r} is unknown", cause, "use one of those")
    name = known[agent.casefold()]
    found = engine.connector_space_objects(lambda item: item.agent == name and options.wants(item))
    return f"<cs-objects>\n{''.join(_object(view, options.parts) for view in found)}</cs-objects>\n"


def _object(view: ConnectorSpaceView, parts: frozenset[str]) -> str:
    attributes = {"cs-dn": view.dn, "id": view.guid, "transient": "false", "object-type": view.object_type}
    given = " ".join(f"{name}={quoteattr(value)}" for name, value in attributes.items())
    content = [
        *(_deltas(view) if "d" in parts else ()),
        *(_holograms(view) if "h" in parts else ()),
        *(_basics(view) if "b" in parts else ()),
        *((f"<{flag}>0</{flag}>" for flag in _FLAGS) if parts == _PARTS else ()),
    ]
    return f" <cs-object {given}>\n  {chr(10).join(content)}\n </cs-object>\n"


def _deltas(view: ConnectorSpaceView) -> Iterator[str]:
    deltas: dict[str, Delta | None] = {
        "unapplied-export": view.unapplied_export,
        "unconfirmed-export": view.unconfirmed_export,
        "pending-import": view.pending_import,
    }
    for tag, delta in deltas.items():
        if delta is not None:
            yield f"<{tag}>{delta_xml(view.dn, view.anchor, view.object_type, delta)}</{tag}>"


def _holograms(view: ConnectorSpaceView) -> Iterator[str]:
    """Show each layer; one that a deletion leaves has no entry."""
    layers = {
        "synchronized-hologram": view.hologram_xml,
        "unapplied-export-hologram": view.unapplied_export_xml,
        "unconfirmed-export-hologram": view.unconfirmed_export_xml,
        "pending-import-hologram": view.pending_import_xml,
    }
    for tag, layer in layers.items():
        if layer.startswith("<entry"):
            yield f"<{tag}>{layer}</{tag}>"


def _basics(view: ConnectorSpaceView) -> Iterator[str]:
    delta = view.unapplied_export
    yield f"<connector>{1 if view.metaverse_guid else 0}</connector>"
    if view.metaverse_guid:
        yield f'<mv-link lineage-type="join-rules">{escape(view.metaverse_guid)}</mv-link>'
    for tag, text in {
        "ma-id": view.agent_guid,
        "ma-name": view.agent,
        "partition-name": view.partition_name,
        "domain-name": view.domain,
        "account-name": view.account,
        "user-principal-name": view.user_principal_name,
        "import-delta-operation": view.pending_import.operation if view.pending_import else "none",
        "export-delta-operation": delta.operation if delta else "none",
    }.items():
        yield f"<{tag}>{escape(text)}</{tag}>"
