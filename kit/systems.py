"""What each of the three systems is asked: does the account get in, what may it read, which version runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import cached_property
from itertools import islice
from types import MappingProxyType
from typing import ClassVar

from kit import network, sources, tls
from kit.case import Case, DirectorySettings
from kit.directory import Directory, DirectoryUser, parse_time
from kit.errors import NotFoundError, ProtocolError, RightsError
from kit.ldap import Session
from kit.mim import NAMESPACE, Gate, SynchronizationService
from kit.probes import Finding, Probe, System
from kit.profiles import Profile
from kit.replication import AttributeChange, photo_changes
from kit.sharepoint import SharePoint

_PROFILES_TRIED, _PICTURES_TRIED = 50, 5
_FEW, _ATTEMPTS = 5, 2

# domainControllerFunctionality of the rootDSE (MS-ADTS 3.1.1.3.2.25).
_FUNCTIONAL_LEVELS: Mapping[str, str] = MappingProxyType(
    {
        "0": "2000",
        "2": "2003",
        "3": "2008",
        "4": "2008 R2",
        "5": "2012",
        "6": "2012 R2",
        "7": "2016 to 2022",
        "10": "2025",
    }
)
_PICTURE_FIXES: Mapping[str, str] = MappingProxyType(
    {
        "forbidden": "give the account Full Read on the My Site web application by a user policy",
        "login_page": "have a zone with Windows sign-in for the My Site host, and its name in hosts",
        "unusable_address": "correct the PictureURL of those profiles",
        "unreachable": "check that this machine reaches the My Site host that the pictures are on",
    }
)


def of(case: Case) -> Iterator[System]:
    """Give the systems of a case: every domain, SharePoint, the synchronisation service."""
    yield ActiveDirectory(case)
    for url in case.directory.further_domains:
        yield ActiveDirectory(case, url)
    yield SharePointFarm(case)
    yield Synchronization(case)


class ActiveDirectory(System):
    """The questions to one domain controller.

    Parameters
    ----------
    case : Case
        Names it.
    further : str
        The address of a further domain's controller, to examine that one.
    """

    name = "active_directory"
    ports: ClassVar = network.LDAP_PORTS

    settings: DirectorySettings

    def __init__(self, case: Case, further: str = "") -> None:
        settings = case.directory
        if further:
            settings = settings.model_copy(update={"url": further, "base_dn": ""})
        super().__init__(case, settings)
        self.server = further
        self._directory: Directory
        self._session: Session

    def open(self) -> None:
        """Make the clients."""
        settings, endpoint = self.settings, sources.endpoint(self.case, self.settings)
        options = {"start_tls": settings.start_tls, "clear_text": settings.clear_text}
        self._session = Session(endpoint, **options)
        self.opened.callback(self._session.close)
        directory = Directory(
            endpoint,
            **options,
            base_dn=settings.base_dn,
            page_size=_FEW,
            user_filter=settings.user_filter,
        )
        self._directory = self.opened.enter_context(directory)

    def own_probes(self) -> Iterator[Probe]:
        """Give the questions on sign-in, users, photos and their metadata, writing, clock and version."""
        yield Probe("sign-in", self._sign_in, ("settings", "TLS"))
        yield Probe("users", self._users, ("sign-in",))
        yield Probe("photos", self._photos, ("users",))
        yield Probe("metadata", self._metadata, ("photos",))
        yield Probe("change log", self._change_log, ("sign-in",))
        yield Probe("writing", self._writing, ("users",))
        yield Probe("clock", self.clock, ("TLS",))
        yield Probe("version", self._version, ("sign-in",))

    def settings_finding(self) -> Finding:
        """Judge the settings, the port of a global catalogue among them."""
        finding = super().settings_finding()
        if not self._directory.is_global_catalog:
            return finding
        detail = (
            f"port {self.address.port} is the global catalogue's, which holds no thumbnailPhoto by default"
        )
        return Finding(detail, "warning", "use port 636, or 389 with start_tls, of a domain controller")

    def certificate(self) -> tls.Certificate | None:
        """Read the certificate, after StartTLS where that is how TLS begins."""
        return self._unbound.certificate()

    def without_tls(self) -> Finding:
        """Judge a plain connection, on which a simple bind sends the password as it is."""
        is_shown = self.settings.auth == "simple" and self.settings.clear_text
        what = "password and photos" if is_shown else "photos"
        return Finding(f"no TLS: {what} cross the network in clear", "warning", "use ldaps:// or start_tls")

    def clock_error(self) -> timedelta:
        """Compare currentTime of the rootDSE (MS-ADTS 3.1.1.3.2.10) with this machine's clock."""
        asked = datetime.now(UTC)
        values = self._unbound.root(["currentTime"], sign_in=False).get("currentTime", [b""])
        text = values[0].decode(errors="replace")
        told = parse_time(text.encode())
        if told is None:
            cause = f"currentTime of its rootDSE is {text!r}"
            raise ProtocolError(f"clock of {self.address}", cause, "compare the two clocks by hand")
        return network.clock_error(told, asked)

    @cached_property
    def _unbound(self) -> Session:
        """A connection on which nobody signs in, so there is no password to protect."""
        session = Session(self.stranger, start_tls=self.settings.start_tls, clear_text=True)
        self.opened.callback(session.close)
        return session

    @cached_property
    def _user(self) -> DirectoryUser:
        for user in self._directory.users():
            return user
        what, step = f"users below {self._directory.base_dn}", "let the account read the users"
        raise NotFoundError(what, "none is seen", f"check base_dn and user_filter, and {step}")

    @cached_property
    def _pictured(self) -> DirectoryUser | None:
        return next(self._directory.users(photos=True, extra_filter="(thumbnailPhoto=*)"), None)

    def _root(self, name: str) -> str:
        values = self._session.root([name]).get(name)
        return values[0].decode() if values else ""

    def _sign_in(self) -> Finding:
        self._root("defaultNamingContext")
        return Finding(self.account)

    def _users(self) -> Finding:
        kind = self._user.kind  # asking for the first one is the check
        return Finding(f"those below {self._directory.base_dn} can be read, the first being a {kind}")

    def _photos(self) -> Finding:
        seen = self._pictured
        if seen is None or seen.photo is None:
            # Active Directory shows what may not be read as if it were not there.
            detail = "none is seen: either nobody has one, or the account may not read thumbnailPhoto"
            return Finding(detail, "warning", "let the account read thumbnailPhoto")
        return Finding(f"thumbnailPhoto can be read; the first one has {len(seen.photo):,} bytes")

    def _metadata(self) -> Finding:
        change = next(photo_changes(self._directory, [(self._pictured or self._user).person]))
        if isinstance(change, AttributeChange):
            return Finding(f"can be read: thumbnailPhoto of one user has version {change.version}")
        fix = "let the account read replPropertyMetaData of the users, which tells who wrote a photo last"
        return Finding(change.detail, "warning", fix)

    def _change_log(self) -> Finding:
        mark = self._directory.watermark()
        if not mark.invocation_id:
            detail = "the controller's invocationId is not seen: a restored database would go unnoticed"
            return Finding(detail, "warning", "let the account read the configuration partition")
        return Finding(f"update sequence number {mark.usn:,} of invocation {mark.invocation_id}")

    def _writing(self) -> Finding:
        writable = self._directory.writable_attributes(self._user.distinguished_name)
        if "thumbnailphoto" in {name.lower() for name in writable}:
            return Finding("thumbnailPhoto may be written (allowedAttributesEffective of one user)")
        detail = "thumbnailPhoto may not be written, which only restoring photos needs"
        return Finding(detail, "warning", "before restoring, delegate Write thumbnailPhoto to the account")

    def _version(self) -> Finding:
        level, host = self._root("domainControllerFunctionality"), self._root("dnsHostName")
        if not level:
            return Finding(f"{host} does not tell its functional level", "skipped")
        system = _FUNCTIONAL_LEVELS.get(level, f"of level {level}")
        return Finding(f"{host}, functional level of Windows Server {system}")


class SharePointFarm(System):
    """The questions to SharePoint's web application."""

    name = "sharepoint"
    ports: ClassVar = {"https": 443, "http": 80}

    def __init__(self, case: Case) -> None:
        hasty = case.sharepoint.model_copy(update={"attempts": _ATTEMPTS})
        super().__init__(case.model_copy(update={"sharepoint": hasty}), hasty)
        self._farm: SharePoint

    def open(self) -> None:
        """Make the client."""
        self._farm = self.opened.enter_context(sources.sharepoint(self.case))

    def own_probes(self) -> Iterator[Probe]:
        """Give the questions on sign-in, profiles, pictures, change log, writing, clock and version."""
        yield Probe("sign-in", self._sign_in, ("settings", "TLS"))
        yield Probe("users", self._users, ("sign-in",))
        yield Probe("photos", self._photos, ("users",))
        yield Probe("change log", self._change_log, ("sign-in",))
        yield Probe("writing", self._writing)
        yield Probe("clock", self.clock, ("TLS",))
        yield Probe("version", self._version, ("sign-in",))

    def _sign_in(self) -> Finding:
        with suppress(RightsError):  # whoever is refused a right has signed in
            self._farm.current_token()
        return Finding(self.account)

    def _users(self) -> Finding:
        first = next(self._farm.profiles(), None)
        if first is None:
            fix = "check that the web application is served by the right User Profile service application"
            return Finding("there is no profile at all", "failed", fix)
        return Finding(f"{self._farm.count()} profiles are counted, and the first one can be read")

    def _photos(self) -> Finding:
        kinds = []
        profiles = islice(self._farm.profiles(), _PROFILES_TRIED)
        addresses = (one.picture_url for one in profiles if isinstance(one, Profile) and one.picture_url)
        for url in islice(addresses, _PICTURES_TRIED):
            kinds.append(self._farm.picture(url).kind)
            if kinds[-1] == "image":
                return Finding("a picture can be read")
        if not kinds:
            return Finding(f"none of the first {_PROFILES_TRIED} profiles has a picture", "skipped")
        fix = _PICTURE_FIXES.get(kinds[0], "open some of the addresses in a browser as this account")
        told = ", ".join(dict.fromkeys(kinds)).replace("_", " ")
        return Finding(f"none of {len(kinds)} pictures can be read: {told}", "failed", fix)

    def _change_log(self) -> Finding:
        if self._farm.changes(self._farm.current_token()).gap:
            fix = "look at the farm's ULS log; what changed is then learnt by comparing all profiles"
            return Finding("a token is refused as soon as it is given", "warning", fix)
        return Finding("a token is given and accepted")

    def _writing(self) -> Finding:
        return Finding("cannot be known without writing; the kit writes nothing here", "skipped")

    def _version(self) -> Finding:
        told = self._farm.capabilities()
        version = f"{told.product or 'SharePoint'}, build {told.version or 'not told'}"
        return Finding(f"{version}; this zone offers {' and '.join(told.zone.sign_in) or 'no sign-in'}")


class Synchronization(System):
    """The questions to the synchronisation service, the three gates of WMI one by one."""

    name = "mim"
    ports: ClassVar = {"http": 5985, "https": 5986}

    def __init__(self, case: Case) -> None:
        super().__init__(case, case.mim)
        self._service: SynchronizationService

    def open(self) -> None:
        """Make the client."""
        self._service = self.opened.enter_context(sources.synchronization(self.case))

    def own_probes(self) -> Iterator[Probe]:
        """Give the questions on sign-in, WMI's gates, agents, run history, running, clock and version."""
        yield Probe("sign-in", self._sign_in, ("settings", "TLS"))
        yield Probe("WinRM", self._listener, ("sign-in",))
        yield Probe("WMI namespace", self._namespace, ("WinRM",))
        yield Probe("MIM group", self._group, ("WMI namespace",))
        yield Probe("agents", self._agents, ("MIM group",))
        yield Probe("run history", self._run_history, ("agents",))
        yield Probe("writing", self._writing)
        yield Probe("clock", self.clock, ("TLS",))
        yield Probe("version", self._version, ("settings", "TLS"))

    def without_tls(self) -> Finding:
        """Judge plain HTTP, which WinRM fills with messages that it encrypts itself."""
        return Finding(
            "the connection has no TLS; WinRM encrypts the messages with the sign-in's keys", "skipped"
        )

    @cached_property
    def _closed_gate(self) -> tuple[Gate, RightsError] | None:
        return self._service.closed_gate()

    def _passes(self, gate: Gate, detail: str) -> Finding:
        if self._closed_gate and self._closed_gate[0] == gate:
            raise self._closed_gate[1]
        return Finding(detail)

    def _sign_in(self) -> Finding:
        with suppress(NotFoundError):  # the namespace is missing, as it told somebody who has signed in
            self._closed_gate  # noqa: B018 - asked once, for this probe and the gates
        return Finding(self.account)

    def _listener(self) -> Finding:
        try:
            return self._passes("listener", "WinRM lets the account in")
        except NotFoundError:
            return Finding("WinRM lets the account in")

    def _namespace(self) -> Finding:
        return self._passes("namespace", f"{NAMESPACE} lets the account in")

    def _group(self) -> Finding:
        return self._passes("group", "the synchronisation service answers the account")

    def _agents(self) -> Finding:
        names = (self.case.mim.directory_agent, self.case.mim.sharepoint_agent)
        for name in names:
            self._service.require(name)
        return Finding(f"{' and '.join(names)} are there")

    def _run_history(self) -> Finding:
        agent = self.case.mim.sharepoint_agent
        last = self._service.last_run(agent)
        if not last.run_number:
            return Finding(f"{agent} has never run", "skipped")
        self._service.run_details(agent, last.run_number)
        return Finding(f"run {last.run_number} of {agent} can be read with its details")

    def _writing(self) -> Finding:
        detail = "whether the account may run agents is known only by running one; FIMSyncOperators may"
        return Finding(detail, "skipped")

    def _version(self) -> Finding:
        product = self._service.identify().get("ProductVersion", "")
        return Finding(f"WinRM {product}; MIM's own version is not told by WMI")
