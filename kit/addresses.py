"""The addresses of profile pictures: made absolute and askable, taken apart, and turned into their siblings.

A profile's ``PictureURL`` is the only source of a picture's place. The folder's name has the language of the
My Site host, which may lie under a managed path, on another host or in another zone: nothing can be guessed.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple
from urllib.parse import quote, unquote, urljoin, urlsplit, urlunsplit

from kit.errors import NotFoundError, ParameterError

SIZES = ("S", "M", "L")

_THUMBNAIL = re.compile(r"_[SML]Thumb(?=\.\w+(?:[?#]|$))", re.IGNORECASE)
_IMPORTED = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}_\d+\.\w+", re.IGNORECASE)
_PLACEHOLDER = re.compile(r"/_layouts/(?:\d+/)?(?:images/PersonPlaceholder|userphoto\.aspx)", re.IGNORECASE)
_CACHE_BUSTER = re.compile(r"t=\d*")
_LONE_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_DEFAULT_PORTS = {"http": 80, "https": 443}
_USER_INFO = re.compile(r"//[^/?#]*@")
_LONGEST_LABEL = 63  # RFC 1035 2.3.4
_LONGEST_SHOWN = 200
# The text of Python's own error can hold a password.
_MALFORMED = "its host or port is malformed"


class Place(NamedTuple):
    """Where a picture is, as far as its address tells.

    Parameters
    ----------
    origin : str
        Scheme, host and port; empty for a relative address.
    folder : str
        In plain text; its language is that of the My Site host.
    form : str
        ``thumbnail``, ``imported`` (see `is_imported`), ``placeholder`` (see `is_placeholder_address`),
        ``other``, or ``unusable`` for what cannot be asked at all.
    """

    origin: str
    folder: str
    form: str


def of_picture(url: str, base: str) -> str:
    r"""Return the address to ask for the picture that a profile names; see `absolute`.

    Parameters
    ----------
    url : str
        ``PictureURL``: absolute, or relative as it is after an import from Active Directory.
    base : str
        The My Site host.

    Raises
    ------
    NotFoundError
        It is no ``http://`` or ``https://`` address, or names no host or no file. Taken for a relative
        address, such a text would lead to a page of the site instead.

    Examples
    --------
    >>> of_picture(" /User Photos/anna.jpg ", "https://my.contoso.example/")
    'https://my.contoso.example/User%20Photos/anna.jpg'
    >>> of_picture(r"\\server\a.jpg", "https://my.contoso.example/")
    Traceback (most recent call last):
    kit.errors.NotFoundError: address '\\\\server\\a.jpg' cannot be asked: it is a file server's path; ...
    """
    bare = url.strip()
    if bare.startswith("\\\\"):
        raise _unusable(url, "it is a file server's path")
    try:
        parts = urlsplit(bare)
    except ValueError as error:
        raise _unusable(url, _MALFORMED) from error
    if (parts.scheme in _DEFAULT_PORTS or bare.startswith("//")) and not parts.netloc:
        raise _unusable(url, "it names no host")
    if not parts.path.strip("/"):
        raise _unusable(url, "it names no file")
    return absolute(bare, base)


def absolute(url: str, base: str) -> str:
    """Return the address to ask for, as a browser would from a page at ``base``.

    Blanks and other characters are percent-encoded where they are not yet, so an address that has been
    through here once stays as it is. User name, password and fragment are dropped.

    Parameters
    ----------
    url : str
        Absolute or relative.
    base : str
        What a relative address is relative to; with a slash at its end, the site it names.

    Raises
    ------
    NotFoundError
        It is no ``http://`` or ``https://`` address.

    Examples
    --------
    >>> absolute("/User Photos/Profilbilder/CONTOSO_jörg_MThumb.jpg", "https://my.contoso.example/")
    'https://my.contoso.example/User%20Photos/Profilbilder/CONTOSO_j%C3%B6rg_MThumb.jpg'
    """
    try:
        parts = urlsplit(urljoin(base, url.strip()))
        usable = parts.scheme in _DEFAULT_PORTS and bool(parts.hostname) and parts.port != 0
        labels = (parts.hostname or "").removesuffix(".").split(".")
        path, query = _encoded(parts.path), _encoded(parts.query)
    except ValueError as error:
        raise _unusable(url, _MALFORMED) from error
    if not usable:
        raise _unusable(url, "it is not an http:// or https:// address")
    if not all(0 < len(label) <= _LONGEST_LABEL for label in labels):
        raise _unusable(url, f"its host has a part that is empty or longer than {_LONGEST_LABEL} characters")
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], path or "/", query, ""))


def without_cache_buster(url: str) -> str:
    """Return an address without the ``?t=`` that REST's ``PictureUrl`` has and the stored one has not.

    Examples
    --------
    >>> without_cache_buster("https://my/User%20Photos/anna_MThumb.jpg?t=63850000000")
    'https://my/User%20Photos/anna_MThumb.jpg'
    """
    path, mark, query = url.partition("?")
    kept = "&".join(part for part in query.split("&") if not _CACHE_BUSTER.fullmatch(part))
    return f"{path}{mark}{kept}" if kept else path


def with_cache_buster(url: str, number: int) -> str:
    """Return an address that no cache has an answer for, as long as the number is new.

    Examples
    --------
    >>> with_cache_buster("https://my/User%20Photos/anna_MThumb.jpg", 63850000000)
    'https://my/User%20Photos/anna_MThumb.jpg?t=63850000000'
    """
    return f"{url}{'&' if '?' in url else '?'}t={number}"


def sized(url: str, size: str) -> str:
    """Return the address of the same picture in another size: the product, too, replaces the file's suffix.

    Parameters
    ----------
    url : str
        Address of a thumbnail; any other address has no sizes and stays as it is.
    size : str
        ``S``, ``M``, ``L``, or empty for the size that the address has.

    Raises
    ------
    ParameterError
        There is no such size.

    Examples
    --------
    >>> sized("https://my/User%20Photos/Profilbilleder/CONTOSO_anna_MThumb.jpg?t=1", "L")
    'https://my/User%20Photos/Profilbilleder/CONTOSO_anna_LThumb.jpg?t=1'
    """
    if not size:
        return url
    if size not in SIZES:
        what = f"picture size {size!r} cannot be asked for"
        raise ParameterError(what, "SharePoint keeps three thumbnails", f"choose {', '.join(SIZES)}")
    return _THUMBNAIL.sub(f"_{size}Thumb", url)


def rebased(url: str, zone: str) -> str:
    """Return the address of the same file in another zone of its web application.

    Alternate access mappings differ in scheme, host and port, never in the path.

    Examples
    --------
    >>> rebased("http://my/my/User%20Photos/anna_MThumb.jpg", "https://my.contoso.example")
    'https://my.contoso.example/my/User%20Photos/anna_MThumb.jpg'
    """
    there = urlsplit(zone)
    return urlunsplit(urlsplit(url)._replace(scheme=there.scheme, netloc=there.netloc))


def origin(url: str) -> str:
    """Return scheme, host and port of an absolute address, in the one form in which they can be compared.

    Examples
    --------
    >>> origin("HTTPS://My.contoso.example:443/User%20Photos/anna_MThumb.jpg")
    'https://my.contoso.example'
    """
    parts = urlsplit(url)
    port = "" if parts.port in {None, _DEFAULT_PORTS.get(parts.scheme)} else f":{parts.port}"
    return f"{parts.scheme}://{parts.hostname}{port}"


def folder(url: str) -> str:
    """Return the folder of a picture in plain text, managed path included: people with equal ones share it.

    Examples
    --------
    >>> folder("https://my/my/User%20Photos/Profilbilleder/CONTOSO_anna_MThumb.jpg")
    '/my/User Photos/Profilbilleder'
    """
    return unquote(urlsplit(url).path.rpartition("/")[0])


def origins(urls: Iterable[str]) -> Counter[Place]:
    """Count pictures by where they are: which hosts, and which of the folders whose names have a language.

    Parameters
    ----------
    urls : iterable of str
        ``PictureURL`` of profiles; blank ones are left out.

    Examples
    --------
    >>> library = "https://my/User%20Photos/Profilbilder"
    >>> found = origins([f"{library}/C_anna_MThumb.jpg", f"{library}/C_berta_MThumb.jpg?t=1", "", "file:///a.jpg"])
    >>> for place, pictures in found.most_common():
    ...     print(pictures, *place)
    2 https://my /User Photos/Profilbilder thumbnail
    1   unusable
    """
    return Counter(place(url) for url in urls if url.strip())


def place(url: str) -> Place:
    """Take the address of a picture apart.

    Examples
    --------
    >>> place("https://my/my/User%20Photos/Profilbilder/C_anna_MThumb.jpg")
    Place(origin='https://my', folder='/my/User Photos/Profilbilder', form='thumbnail')
    """
    relative_to = "http://relative/"
    try:
        address = of_picture(url, relative_to)
    except NotFoundError:
        return Place("", "", "unusable")
    own = urlsplit(url.strip())
    form = "thumbnail" if _THUMBNAIL.search(address) else "imported" if is_imported(address) else "other"
    return Place(
        origin(address) if own.netloc else "",
        folder(address),
        "placeholder" if is_placeholder_address(address) else form,
    )


def shown(url: str) -> str:
    """Return an address as it may be shown and logged: without user name, password, query and fragment.

    Examples
    --------
    >>> shown("https://anna:secret@my/User%20Photos/anna.jpg?token=1")
    'https://my/User%20Photos/anna.jpg?...'
    """
    path = _USER_INFO.sub("//", re.split("[?#]", url, maxsplit=1)[0])
    kept = path if len(path) <= _LONGEST_SHOWN else f"{path[:_LONGEST_SHOWN]}..."
    mark = re.search("[?#]", url)
    return f"{kept}{mark[0]}..." if mark else kept


def is_imported(url: str) -> bool:
    """Say whether an address is that of a file as the profile import leaves it, without thumbnails.

    Such a file is named ``<guid>_<n>.jpg`` until ``Update-SPProfilePhotoStore`` makes thumbnails of it.

    Examples
    --------
    >>> is_imported("/User Photos/Profile Pictures/0c37852b-34d0-418e-91c6-2ac25af4be5b_10.jpg")
    True
    """
    return _IMPORTED.fullmatch(urlsplit(url).path.rpartition("/")[2]) is not None


def is_placeholder_address(url: str) -> bool:
    """Say whether an address is one that SharePoint serves placeholder art from (unproven).

    Examples
    --------
    >>> is_placeholder_address("https://portal/_layouts/15/images/PersonPlaceholder.96x96x32.png")
    True
    """
    return _PLACEHOLDER.search(url) is not None


def _encoded(text: str) -> str:
    return quote(_LONE_PERCENT.sub("%25", text), safe="/%:@!$&'()*+,;=~?")


def _unusable(url: str, cause: str) -> NotFoundError:
    what = f"address {shown(url)!r} cannot be asked"
    return NotFoundError(what, cause, "correct the profile's PictureURL")
