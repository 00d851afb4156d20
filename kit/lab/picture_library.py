"""The picture library of the practice farm: three thumbnails per person, as files with versions."""

from __future__ import annotations

import io
import threading
import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum, auto
from types import MappingProxyType
from urllib.parse import quote

from PIL import Image, UnidentifiedImageError

from kit.errors import ProtocolError

# S and M are those of 2013 and later; L is given as 200, 240 or 300 by different sources.
SIZES: Mapping[str, int] = MappingProxyType({"S": 48, "M": 72, "L": 300})
FOLDER = "/User Photos/Profile Pictures"
# Imported pictures are named after the default site subscription and the profile's record number (unproven).
_PARTITION = "0c37852b-34d0-418e-91c6-2ac25af4be5b"


class Delivery(Enum):
    """How a file is answered; all but the first are troubles of real farms."""

    WHOLE = auto()
    SIGN_IN_REDIRECT = auto()
    """302 to ``_layouts/15/Authenticate.aspx``, 302 to ``_login/default.aspx``, and there a page with 200."""
    SIGN_IN_REFUSAL = auto()
    """403 with the headers of forms sign-in, as clients that are no browsers get it."""
    SIGN_IN_PAGE = auto()
    """200 and the page of a proxy that asks for a sign-in."""
    DENIAL_REDIRECT = auto()
    """302 to ``_layouts/15/AccessDenied.aspx``, which comes with 200."""
    CUT = auto()
    """Half of the bytes that Content-Length announces, then the connection ends."""
    ENDLESS = auto()
    """Chunk after chunk, until the client has had enough."""
    WITHOUT_ETAG = auto()
    """As a proxy that removes the header sends it."""
    CACHED = auto()
    """From a BLOB cache, whose ETags are those of one web front end (unproven)."""
    BUSY = auto()
    """503, as a request that is throttled gets it."""
    OUTDATED = auto()
    """From a cache that still has an earlier file, unless the query names a moment, ``?t=``."""


def renditions(photo: bytes, sizes: Mapping[str, int] = SIZES) -> dict[str, bytes]:
    """Return a photo as JPEG thumbnails: longest side as given, aspect kept, nothing enlarged.

    Parameters
    ----------
    photo : bytes
        Any image that Pillow decodes.
    sizes : Mapping[str, int]
        Name of a thumbnail to its longest side in pixels.

    Returns
    -------
    dict[str, bytes]
        JPEG per name; never the bytes that came in.

    Raises
    ------
    ProtocolError
        The bytes are not a whole image.
    """
    try:
        image = Image.open(io.BytesIO(photo)).convert("RGB")
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        what = f"a picture of {len(photo)} bytes was refused"
        raise ProtocolError(what, "it is not a whole image", "upload a JPEG, PNG, GIF or BMP file") from error
    thumbnails = {}
    for name, side in sizes.items():
        thumbnail = image.copy()
        thumbnail.thumbnail((side, side), Image.Resampling.BICUBIC)
        encoded = io.BytesIO()
        thumbnail.save(encoded, "JPEG", quality=90)
        thumbnails[name] = encoded.getvalue()
    return thumbnails


@dataclass(frozen=True)
class PictureFile:
    """One version of a file in the library; saving raises ``version``, a new file gets a new ``guid``."""

    content: bytes = field(repr=False)
    content_type: str
    modified: datetime
    guid: uuid.UUID
    version: int = 1

    @property
    def etag(self) -> str:
        """The ETag as SharePoint writes it, quotes included."""
        return f'"{{{str(self.guid).upper()}}},{self.version}"'


class PictureLibrary:
    """Files by server-relative path, case-insensitive as SharePoint's are; safe to use from several threads.

    Parameters
    ----------
    host : str
        Address of the My Site host, with which the addresses of pictures begin.

    Attributes
    ----------
    host : str
        May be changed, as when the My Site host moves: pictures saved from then on have the new address.
    folder : str
        Where the pictures of people without one go, managed path included. Its name has the language of the
        My Site host at that moment, so a farm may have several.
    """

    def __init__(self, host: str) -> None:
        self.host = host
        self.folder = FOLDER
        self._folders: dict[str, str] = {}
        self._files: dict[str, PictureFile] = {}
        self._readers: dict[str, frozenset[str]] = {}
        self._deliveries: dict[str, tuple[Delivery, int | None]] = {}
        self._spared: dict[str, frozenset[str]] = {}
        self._outdated: dict[str, bytes] = {}
        self._created = 0
        self._lock = threading.Lock()

    def path(self, account_name: str, size: str) -> str:
        r"""Return the server-relative path of a thumbnail, ``.../CONTOSO_anna_MThumb.jpg``."""
        folder = self._folders.get(account_name.lower(), self.folder)
        return f"{folder}/{account_name.replace(chr(92), '_')}_{size}Thumb.jpg"

    def imported_path(self, record: int) -> str:
        """Return the server-relative path of a picture as the import leaves it, without thumbnails."""
        return f"{self.folder}/{_PARTITION}_{record}.jpg"

    def save_thumbnails(self, account_name: str, thumbnails: Mapping[str, bytes], modified: datetime) -> str:
        """Write a person's thumbnails and return the address of the medium one."""
        self._folders.setdefault(account_name.lower(), self.folder)
        for size, content in thumbnails.items():
            self.save(self.path(account_name, size), content, "image/jpeg", modified)
        return self.host + quote(self.path(account_name, "M"))

    def delete_thumbnails(self, account_name: str, sizes: Collection[str]) -> None:
        """Remove a person's thumbnails; the next ones go where new pictures go."""
        for size in sizes:
            self.delete(self.path(account_name, size))
        self._folders.pop(account_name.lower(), None)

    def save(self, path: str, content: bytes, content_type: str, modified: datetime) -> None:
        """Write a file, new or over the one that is there."""
        with self._lock:
            before = self._files.get(path.lower())
            if before:
                self._files[path.lower()] = PictureFile(
                    content, content_type, modified, before.guid, before.version + 1
                )
                return
            self._created += 1
            # Numbered, not random: the same population gives the same farm.
            guid = uuid.uuid5(uuid.NAMESPACE_URL, f"{path.lower()}#{self._created}")
            self._files[path.lower()] = PictureFile(content, content_type, modified, guid)

    def delete(self, path: str) -> None:
        """Remove a file, if it is there."""
        with self._lock:
            self._files.pop(path.lower(), None)

    def get(self, path: str) -> PictureFile | None:
        """Return a file, or None."""
        with self._lock:
            return self._files.get(path.lower())

    def restrict(self, path: str, readers: Collection[str]) -> None:
        """Let only these accounts, in the one form that accounts are compared in, read a file."""
        with self._lock:
            self._readers[path.lower()] = frozenset(readers)

    def may_read(self, path: str, reader: str) -> bool:
        """Say whether an account may read a file."""
        with self._lock:
            readers = self._readers.get(path.lower())
        return readers is None or reader in readers

    def deliver(
        self, path: str, delivery: Delivery, times: int | None = None, spared: Collection[str] = ()
    ) -> None:
        """Answer the next so many requests for a file, or all but those of some accounts, in its own way.

        The accounts are in the one form that accounts are compared in.
        """
        with self._lock:
            self._deliveries[path.lower()] = (delivery, times)
            self._spared[path.lower()] = frozenset(spared)

    def cache(self, path: str, content: bytes) -> None:
        """Answer requests for a file with an earlier one; see `Delivery.OUTDATED`."""
        with self._lock:
            self._outdated[path.lower()] = content
        self.deliver(path, Delivery.OUTDATED)

    def outdated(self, path: str) -> bytes:
        """Return the earlier file that a cache has."""
        with self._lock:
            return self._outdated[path.lower()]

    def delivery(self, path: str, reader: str = "") -> Delivery:
        """Return how the request at hand, of an account, is to be answered."""
        with self._lock:
            if reader in self._spared.get(path.lower(), ()):
                return Delivery.WHOLE
            delivery, times = self._deliveries.get(path.lower(), (Delivery.WHOLE, None))
            if times == 1:
                del self._deliveries[path.lower()]
            elif times is not None:
                self._deliveries[path.lower()] = (delivery, times - 1)
        return delivery
