"""The picture library of the practice farm: three thumbnails per person, as files with versions."""

from __future__ import annotations

import io
import threading
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType

from PIL import Image, UnidentifiedImageError

from kit.errors import ProtocolError

# S and M are those of 2013 and later; L is given as 200, 240 or 300 by different sources.
SIZES: Mapping[str, int] = MappingProxyType({"S": 48, "M": 72, "L": 300})
FOLDER = "/User Photos/Profile Pictures"


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
    """Files by server-relative path, case-insensitive as SharePoint's are."""

    def __init__(self) -> None:
        self._files: dict[str, PictureFile] = {}
        self._created = 0
        self._lock = threading.Lock()

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
