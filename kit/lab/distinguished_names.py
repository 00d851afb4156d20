"""Distinguished names taken apart, and compared the way a directory compares them."""

from __future__ import annotations

import re
from functools import lru_cache

_COMMA = re.compile(r"(?<!\\)((?:\\\\)*),")
_ESCAPE = re.compile(rb"\\([0-9A-Fa-f]{2}|.)", re.DOTALL)

Key = tuple[tuple[str, str], ...]
"""A name for comparison: (attribute type, value) from leaf to root, in lower case, escapes resolved."""


@lru_cache(maxsize=65536)
def key(distinguished_name: str) -> Key:
    r"""Return what all spellings of one distinguished name have in common (RFC 4514).

    Raises
    ------
    ValueError
        If a part has no ``=``.

    Examples
    --------
    >>> key("CN=Doe\\, Anna, DC=Contoso") == key("cn=doe\\2C anna,dc=contoso")
    True
    >>> key("") == ()
    True
    """
    parts = split(distinguished_name)
    if not all("=" in part for part in parts):
        message = f"not a distinguished name: {distinguished_name!r}"
        raise ValueError(message)
    pairs = (part.split("=", 1) for part in parts)
    return tuple((name.strip().lower(), _unescape(value.strip()).casefold()) for name, value in pairs)


def split(distinguished_name: str) -> list[str]:
    r"""Split into relative names as they are written, leaf first.

    Examples
    --------
    >>> split("CN=Doe\\, Anna,DC=contoso")
    ['CN=Doe\\, Anna', 'DC=contoso']
    """
    if not distinguished_name:
        return []
    parts = _COMMA.sub(lambda found: found[1] + "\n", distinguished_name).split("\n")
    return [part.strip() for part in parts]


def parent(distinguished_name: str) -> str:
    """Return the name one level up, empty for a name of one part.

    Examples
    --------
    >>> parent("CN=anna,OU=Staff,DC=contoso")
    'OU=Staff,DC=contoso'
    """
    return ",".join(split(distinguished_name)[1:])


def leaf(distinguished_name: str) -> tuple[str, str]:
    r"""Return attribute type and plain value of the first relative name.

    Examples
    --------
    >>> leaf("CN=Doe\\, Anna,DC=contoso")
    ('CN', 'Doe, Anna')
    """
    name, value = split(distinguished_name)[0].split("=", 1)
    return name, _unescape(value)


def _unescape(value: str) -> str:
    def resolve(found: re.Match[bytes]) -> bytes:
        return bytes.fromhex(found[1].decode()) if len(found[1]) == 2 else found[1]

    return _ESCAPE.sub(resolve, value.encode()).decode(errors="replace")
