"""Connector spaces as csexport.exe writes them to a file: made on the server, fetched, read as a stream."""

from __future__ import annotations

import binascii
import logging
import tempfile
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import BinaryIO
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from kit import installation
from kit.errors import NotFoundError, OutputError, ParameterError, ProtocolError
from kit.holograms import ConnectorSpaceObject, Value, attributes, join_account
from kit.shell import CommandShell

logger = logging.getLogger(__name__)

PENDING_EXPORTS = ("/f:x", "/o:bd")
"""csexport's options: pending exports, the basics of each object and its changes, no holograms.

They are Microsoft Learn jj590346's; that the basics have the account's name is unproven.
"""

_CHUNK = 1 << 18
_LAYERS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "hologram": ("synchronized-hologram", "hologram"),
        "pending_import": ("pending-import-hologram", "import-hologram"),
        "unapplied_export": ("unapplied-export-hologram", "export-hologram"),
        "unconfirmed_export": ("escrowed-export-hologram", "unconfirmed-export-hologram"),
    }
)
"""What a layer's element is called: by FIM 2010 R2 and MIM, then by older documents (Learn ms695329).

An export in progress (escrowed) lies above the one that is not confirmed (Learn ms695996).
"""


def read_csexport(file: Path | str | BinaryIO) -> Iterator[ConnectorSpaceObject]:
    """Read the objects of a file that csexport wrote, one at a time, however large it is.

    Its structure is Microsoft Learn ms695329; both ways of naming the layers are understood. That csexport
    writes UTF-8 is unproven; UTF-16 is read too, and UTF-16 that cmd.exe has turned into UTF-8.

    Parameters
    ----------
    file : Path or str or binary file
        A binary file is read to its end and not closed.

    Yields
    ------
    ConnectorSpaceObject
        Without the layers that the file leaves out.

    Raises
    ------
    OutputError
        The file cannot be opened.
    ProtocolError
        It is not such a file, it ends too early, or it declares a document type, which could hide entities.
    """
    name = str(getattr(file, "name", file))
    try:
        with _opened(file) as source:
            for element in _elements(source, name):
                yield _object(element)
    except (expat.ExpatError, UnicodeError, binascii.Error) as error:
        raise _unreadable(name, str(error)) from error
    except OSError as error:
        what, cause = f"file '{name}' cannot be read", error.strerror or str(error)
        raise OutputError(what, cause, "check the path and the file's rights") from error


def pending_exports(
    objects: Iterable[ConnectorSpaceObject], accounts: Mapping[str, str] = MappingProxyType({})
) -> Iterator[ConnectorSpaceObject]:
    r"""Keep the objects that the next export will change.

    Parameters
    ----------
    objects : iterable of ConnectorSpaceObject
        Such as of :func:`read_csexport`.
    accounts : Mapping[str, str]
        Distinguished name, case-folded, to ``contoso\anna``: whose object it is where the file does not say.

    Yields
    ------
    ConnectorSpaceObject
    """
    for one in objects:
        if one.export_operation:
            account = one.account or accounts.get(one.dn.casefold(), "")
            yield one if account == one.account else replace(one, account=account)


def export(shell: CommandShell, agent: str, *, pending_only: bool = True, folder: Path | None = None) -> Path:
    """Have csexport.exe write an agent's connector space to a file, and fetch it.

    csexport changes nothing. It never writes over a file, so its file has a name of its own, and is deleted
    on the server, also after a failure. That it needs FIMSyncAdmins is unproven.

    Parameters
    ----------
    shell : CommandShell
        On the synchronisation server.
    agent : str
        The management agent's name.
    pending_only : bool
        Only pending exports, as changes; otherwise every object with every layer.
    folder : Path or None
        Where the local file goes; by default, the folder for temporary files. The caller deletes it.

    Returns
    -------
    Path
        The local file, for :func:`read_csexport`.

    Raises
    ------
    RightsError
        csexport says that the account may not.
    ProtocolError
        csexport failed, or the file did not come whole.
    NotFoundError
        The service is not installed there, or csexport made no file.
    """
    name = f"kit-{uuid.uuid4()}.xml"
    local = (folder or Path(tempfile.gettempdir())) / name
    remote = f"{shell.temporary_folder()}\\{name}"
    options = PENDING_EXPORTS if pending_only else ()
    try:
        with installation.leaving_nothing(remote, shell.remove):
            installation.run_tool(shell, "csexport.exe", [agent, remote, *options])
            shell.fetch(remote, local)
    except BaseException:
        local.unlink(missing_ok=True)
        raise
    logger.info("%s: connector space of %s is in %s", shell.url, agent, local)
    return local


def from_folder(folder: Path, agent: str) -> Path:
    """Find the file of an agent among those that an operator made with csexport.

    Parameters
    ----------
    folder : Path
        With csexport's files.
    agent : str
        Told by what the objects say, and by the file's name where they do not or there are none; csexport
        calls a file after the agent unless told otherwise.

    Raises
    ------
    NotFoundError
        There is no file of that agent.
    ParameterError
        There are several.
    """
    files = sorted(file for file in folder.glob("*") if file.suffix.lower() == ".xml")
    found = [file for file in files if _is_of(file, agent)]
    if not found:
        what = f"folder '{folder}' has no csexport file of management agent {agent!r}"
        cause = f"the files there are {', '.join(file.name for file in files) or 'none'}"
        raise NotFoundError(what, cause, f'run csexport "{agent}" "{agent}.xml" /f:x on the server')
    if len(found) > 1:
        what = f"folder '{folder}' has {len(found)} csexport files of management agent {agent!r}"
        raise ParameterError(what, ", ".join(file.name for file in found), "keep only the newest there")
    return found[0]


def _is_of(file: Path, agent: str) -> bool:
    try:
        first = next(read_csexport(file), None)
    except ProtocolError as error:
        logger.info("'%s' is not of csexport: %s", file, error)
        return False
    named = first.agent if first and first.agent else file.stem
    return named.casefold() == agent.casefold()


@contextmanager
def _opened(file: Path | str | BinaryIO) -> Iterator[BinaryIO]:
    if isinstance(file, (Path, str)):
        with Path(file).open("rb") as source:
            yield source
    else:
        yield file


class _Objects:
    """Collects the ``cs-object`` elements of a document as expat reports it."""

    def __init__(self) -> None:
        self.complete: list[Element] = []
        self.root = ""
        self._builder: TreeBuilder | None = None
        self._depth = 0

    def start(self, tag: str, given: dict[str, str]) -> None:
        self.root = self.root or tag
        if tag == "cs-object" and self._builder is None:
            self._builder = TreeBuilder()
        if self._builder:
            self._depth += 1
            self._builder.start(tag, given)

    def data(self, text: str) -> None:
        if self._builder:
            self._builder.data(text)

    def end(self, tag: str) -> None:
        if self._builder:
            self._depth -= 1
            self._builder.end(tag)
            if self._depth == 0:
                self.complete.append(self._builder.close())
                self._builder = None


def _elements(source: BinaryIO, name: str) -> Iterator[Element]:
    objects = _Objects()
    chunk = source.read(_CHUNK)
    parser = expat.ParserCreate(_encoding(chunk))
    parser.buffer_text, parser.buffer_size = True, _CHUNK
    parser.StartElementHandler = objects.start
    parser.EndElementHandler = objects.end
    parser.CharacterDataHandler = objects.data

    def refuse(*_: object) -> None:
        raise _unreadable(name, "it declares a document type, which csexport never does")

    parser.StartDoctypeDeclHandler = refuse
    while chunk:
        parser.Parse(chunk, False)
        if objects.root not in {"", "cs-objects"}:
            raise _unreadable(name, f"it begins with <{objects.root}>, not with <cs-objects>")
        yield from objects.complete
        objects.complete.clear()
        chunk = source.read(_CHUNK)
    parser.Parse(b"", True)


def _encoding(beginning: bytes) -> str | None:
    """Return the encoding of a document that declares a wrong one; None lets the document say."""
    declaration = beginning[:200].partition(b"?>")[0].lower()
    return "utf-8" if b"utf-16" in declaration else None


def _object(element: Element) -> ConnectorSpaceObject:
    layers = {layer: _layer(element, names) for layer, names in _LAYERS.items()}
    delta = element.find("unapplied-export/delta")
    changes = None if delta is None else attributes(delta)
    operation = (
        element.findtext("export-delta-operation", "") if delta is None else delta.get("operation", "")
    )
    return ConnectorSpaceObject(
        guid=element.get("id", ""),
        dn=element.get("cs-dn", ""),
        agent=element.findtext("ma-name", ""),
        metaverse_guid=element.findtext("mv-link", "").strip(),
        object_type=element.get("object-type", ""),
        account=join_account(element.findtext("domain-name", ""), element.findtext("account-name", "")),
        export_operation="" if operation == "none" else operation,
        export_delta=changes,
        new_dn="" if delta is None else delta.get("newdn", ""),
        links=tuple(link.text or "" for link in element.iterfind("cs-mv-links/cs-mv-value/cs-guid")),
        **layers,
    )


def _layer(element: Element, names: tuple[str, ...]) -> dict[str, Value]:
    for name in names:
        entry = element.find(f"{name}/entry")
        if entry is not None and len(entry):
            return attributes(entry)
    return {}


def _unreadable(name: str, cause: str) -> ProtocolError:
    return ProtocolError(f"'{name}' is not a whole file of csexport", cause, "export it again")
