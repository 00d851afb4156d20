"""Which web servers an account signs in to: the site's own, the My Site host, and those that are named."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection
from urllib.parse import urlsplit

from kit.addresses import origin
from kit.errors import ParameterError

_HOST = re.compile(r"[\w-]+(\.[\w-]+)*\.?")
_SHORTEST_NAME = 4


class Sites:
    """The servers of one case.

    Parameters
    ----------
    url : str
        The site's address.
    my_site : str
        The My Site host's; empty if it is the same.
    hosts : collection of str
        Names of further hosts, without scheme and port.

    Raises
    ------
    ParameterError
        One of them cannot be used.
    """

    def __init__(self, url: str, my_site: str, hosts: Collection[str]) -> None:
        self.url = _checked("url", url)
        self._homes = [self.url, _checked("my_site", my_site)] if my_site else [self.url]
        self._origins = {origin(home) for home in self._homes}
        self._hosts = {_plain(host) for host in hosts}

    def owns(self, url: str) -> bool:
        """Say whether an address is on the site's own server or the My Site host, port included."""
        try:
            return origin(url) in self._origins
        except ValueError:
            return False

    def trusts(self, url: str) -> bool:
        """Say whether the account may sign in at an address."""
        return _host(url) in self._hosts or any(same_site(home, url) for home in self._homes)


def same_site(home: str, url: str) -> bool:
    """Say whether an address belongs to the site that the password is for.

    That is the same host, or another one directly below the same company's domain, as a My Site host is to
    its portal. Anyone can put a foreign address into a profile; signing in there would hand the account's
    NTLM response to a stranger. Only a list of all registries could tell which domains are one company's.
    Here it is a parent domain whose last label but one has more than three letters: ``contoso.com``, but
    neither ``co.uk`` nor, to be safe, ``contoso.co.uk`` or ``abc.com``. Hosts there are to be named.

    Examples
    --------
    >>> same_site("https://portal.contoso.example", "https://my.contoso.example/a.jpg")
    True
    >>> same_site("https://portal.contoso.example", "https://portal.fabrikam.example")
    False
    >>> same_site("https://contoso.co.uk", "https://fabrikam.co.uk")
    False
    >>> same_site("https://10.0.0.1", "https://11.0.0.1")
    False
    """
    first, second = _host(home), _host(url)
    return first == second or "" != _company_domain(first) == _company_domain(second)


def _host(url: str) -> str:
    return (urlsplit(url).hostname or "").rstrip(".")


def _company_domain(host: str) -> str:
    """Return a host's parent domain if that can be one company's only; else empty."""
    labels = host.split(".")[1:]
    named = len(labels) > 1 and len(labels[-2]) >= _SHORTEST_NAME
    return ".".join(labels) if named and not _is_ip(host) else ""


def _is_ip(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _plain(host: str) -> str:
    if not (_is_ip(host) or _HOST.fullmatch(host)):
        what = f"host {host.rpartition('@')[2]!r} in hosts cannot be used"
        raise ParameterError(
            what, "it is not the plain name of a host", "give it without scheme, port and path"
        )
    return host.lower().rstrip(".")


def _checked(name: str, url: str) -> str:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
        named = parts.netloc if usable else url
    except ValueError:
        usable, named = False, url
    if "@" in named:
        what = f"{name} '…@{url.rpartition('@')[2]}' cannot be used"
        step = "give the address without it, and the account as username and password_name"
        raise ParameterError(what, "it has a user's name in it", step)
    if not usable:
        what = f"{name} {url!r} cannot be used"
        raise ParameterError(what, "it is not an http:// or https:// address", "give the site's address")
    return url.rstrip("/")
