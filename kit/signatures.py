"""The first and last bytes of image files: what a file is, whatever its name and type say, and if it ends."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

_BEGINNINGS: Mapping[bytes, str] = MappingProxyType(
    {
        b"\xff\xd8\xff": "JPEG",
        b"\x89PNG\r\n\x1a\n": "PNG",
        b"GIF87a": "GIF",
        b"GIF89a": "GIF",
        b"BM": "BMP",
        b"II*\x00": "TIFF",
        b"MM\x00*": "TIFF",
    }
)
_PNG_END = b"IEND\xaeB`\x82"
_JPEG_END = b"\xff\xd9"
_START_OF_SCAN = 0xDA


def image_format_of(content: bytes) -> str:
    r"""Return the name of an image's format by its first bytes; empty if it is none.

    Examples
    --------
    >>> image_format_of(b"\xff\xd8\xff\xe0"), image_format_of(b"<html>")
    ('JPEG', '')
    """
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "WEBP"
    return next((name for beginning, name in _BEGINNINGS.items() if content.startswith(beginning)), "")


def is_whole(image_format: str, content: bytes) -> bool:
    r"""Say whether an image has an end, whatever follows it; only of JPEG and PNG is that known.

    Parameters
    ----------
    image_format : str
        As `image_format_of` gives it.
    content : bytes
        The file.

    Examples
    --------
    >>> is_whole("JPEG", b"\xff\xd8\xff\xda\x00\x02picture\xff\xd9")
    True
    >>> is_whole("JPEG", b"\xff\xd8\xff\xda\x00\x02pict")
    False
    """
    if image_format == "PNG":
        return _PNG_END in content
    return image_format != "JPEG" or content.find(_JPEG_END, _scan(content)) != -1


def _scan(content: bytes) -> int:
    """Return where a JPEG's picture data begins (ITU-T T.81 B.1.1.4), or its length if it never does.

    The segments before are stepped over: a camera's preview in one of them has an end of its own.
    """
    position = 2
    while position + 4 <= len(content) and content[position] == 0xFF:
        marker = content[position + 1]
        if marker == _START_OF_SCAN:
            return position
        filled = marker == 0xFF  # any number of these may stand before a marker
        position += 1 if filled else 2 + int.from_bytes(content[position + 2 : position + 4])
    return len(content)
