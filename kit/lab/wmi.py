"""The sync service's WMI provider: the MIIS classes of root/MicrosoftIdentityIntegrationServer."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from types import MappingProxyType

from kit.lab import wql
from kit.lab.domain import Account, Domain
from kit.lab.engine import Engine, SyncConcurrencyError
from kit.lab.layers import ConnectorSpaceView
from kit.lab.runs import RunRecord, stamp
from kit.lab.space import ConnectorSpaceObject
from kit.mim import COUNTERS

logger = logging.getLogger(__name__)

SYNC_ROLES = frozenset({"sync-admin", "sync-operator"})
REMOTE_ROLES = SYNC_ROLES | {"remote-management"}
"""Roles that WinRM lets in; ``remote-management`` alone (Remote Management Users) is in no sync group."""

_SYSTEM_CLASSES = frozenset({"__namespace"})
"""Classes of WMI's own, in every namespace; the instances of this one are the namespaces below, here none."""

ACCESS_DENIED = 0x80041003
NOT_FOUND = 0x80041002
INVALID_CLASS = 0x80041010
INVALID_METHOD = 0x80041055
INVALID_QUERY = 0x80041017
NOT_CAPABLE = 0x80041024
ANOTHER_SYNCHRONISATION = 0x8023063D

KEYS: Mapping[str, str] = MappingProxyType(
    {
        "MIIS_ManagementAgent": "Name",
        "MIIS_RunHistory": "Key",
        "MIIS_CSObject": "Guid",
        "MIIS_Server": "Name",
        "MIIS_PasswordChangeQueue": "Guid",
    }
)
_OBJECT_QUERIES = (
    {"maguid", "dn"},
    {"domain", "account"},
    {"fullyqualifieddomain", "account"},
    {"mvguid"},
    {"domain", "userprincipalname"},
    {"guid"},
)
_OBJECT_KEYS: Mapping[str, Callable[[ConnectorSpaceObject], tuple[str, ...]]] = MappingProxyType(
    {
        "account": lambda item: (item.account.casefold(),),
        "domain": lambda item: (item.domain.casefold(),),
        "fullyqualifieddomain": lambda item: (item.domain.casefold(),),
        "userprincipalname": lambda item: (item.user_principal_name.casefold(),),
        "dn": lambda item: (item.dn.casefold(), item.anchor.casefold()),
        "maguid": lambda item: (item.agent.casefold(),),
        "mvguid": lambda item: (item.metaverse_guid.casefold(),),
        "guid": lambda item: (item.guid.casefold(),),
    }
)


class Gate(Enum):
    """What an account must pass on its way to the MIIS classes, from the outside in."""

    LISTENER = "Remote Management Users, whom WinRM's RootSDDL lets in"
    NAMESPACE = "Enable Account and Remote Enable on the WMI namespace"
    GROUP = "a MIM sync group"


class WmiError(Exception):
    """A call that WMI refuses; the endpoint answers with a fault.

    Parameters
    ----------
    code : int
        The WBEM or provider error code.
    text : str
        Its message.
    """

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text


@dataclass(frozen=True)
class Instance:
    """One WMI instance, or, without a class name, chosen columns of one; None is a null."""

    class_name: str
    properties: Mapping[str, str | None]


class Provider:
    """Answers queries and calls on the MIIS classes (Microsoft Learn ms698311), checking the caller's groups.

    Parameters
    ----------
    engine : Engine
        The synchronisation service.
    domain : Domain
        The accounts' domain.
    accounts : Sequence[Account]
        Who exists; their roles are their groups.
    """

    def __init__(self, engine: Engine, domain: Domain, accounts: Sequence[Account]) -> None:
        self._engine = engine
        self._domain = domain
        self._roles = {
            f"{domain.netbios_name}\\{account.name}".lower(): account.roles for account in accounts
        }
        self._turned_away: dict[str, Gate] = {}
        self._instances: Mapping[str, Callable[[], Iterator[Instance]]] = {
            "MIIS_ManagementAgent": self._agents,
            "MIIS_RunHistory": self._runs,
            "MIIS_Server": self._server,
            "MIIS_PasswordChangeQueue": lambda: iter(()),
        }

    def turn_away(self, account: str, gate: Gate | None) -> None:
        """Turn an account, named without its domain, away at a gate whatever its roles; None ends that."""
        user = f"{self._domain.netbios_name}\\{account}".lower()
        self._turned_away.pop(user, None)
        if gate:
            self._turned_away[user] = gate

    def admits(self, user: str) -> bool:
        """Say whether WinRM lets the user in at all (its RootSDDL)."""
        return self._passes(user, Gate.LISTENER) and self._has_role(user, REMOTE_ROLES)

    def is_administrator(self, user: str) -> bool:
        """Say whether the user is in FIMSyncAdmins."""
        return self._in_group(user) and self._has_role(user, frozenset({"sync-admin"}))

    def query(self, text: str, user: str) -> list[Instance]:
        """Answer a WQL query.

        Raises
        ------
        WmiError
            The query is malformed, of a form the provider cannot answer, or not allowed to the user.
        """
        try:
            query = wql.parse(text)
        except wql.QuerySyntaxError as error:
            raise WmiError(INVALID_QUERY, f"Invalid query: {error}") from error
        self._require_namespace(user)
        if query.class_name.lower() in _SYSTEM_CLASSES:
            return []
        class_name = _class(query.class_name)
        self._require_group(user)
        if class_name == "MIIS_CSObject":
            found = self._objects(query.equalities)
        else:
            found = (one for one in self._instances[class_name]() if _matches(one, query.where))
        return [_project(instance, query.columns) for instance in found]

    def get(self, class_name: str, selectors: Mapping[str, str], user: str) -> Instance:
        """Return the instance with a key.

        Raises
        ------
        WmiError
            There is no such class or instance, or the user may not see it.
        """
        self._require_namespace(user)
        self._require_group(user)
        return self._find(_class(class_name), selectors)

    def invoke(
        self,
        class_name: str,
        selectors: Mapping[str, str],
        method: str,
        arguments: Mapping[str, str],
        user: str,
    ) -> str:
        """Call a method and return its ReturnValue; it lasts as long as the method does.

        Whoever is in no sync group gets ``access-denied``, as from the real provider, not an error.

        Raises
        ------
        WmiError
            There is no such class, instance or method, or the user may not enter the namespace.
        """
        self._require_namespace(user)
        name = _class(class_name)
        methods: Mapping[str, Callable[[Instance, str, Mapping[str, str], str], str]] = {
            "MIIS_ManagementAgent": self._call_agent,
            "MIIS_RunHistory": self._call_run,
            "MIIS_Server": self._call_server,
        }
        if name not in methods:
            raise WmiError(INVALID_METHOD, f"{name} has no method {method}")
        if not self._in_group(user):
            return "access-denied"
        return methods[name](self._find(name, selectors), method, arguments, user)

    def _in_group(self, user: str) -> bool:
        return self._passes(user, Gate.GROUP) and self._has_role(user, SYNC_ROLES)

    def _passes(self, user: str, gate: Gate) -> bool:
        return self._turned_away.get(user.lower()) is not gate

    def _has_role(self, user: str, roles: frozenset[str]) -> bool:
        return bool(self._roles.get(user.lower(), frozenset()) & roles)

    def _require_namespace(self, user: str) -> None:
        if not self._passes(user, Gate.NAMESPACE):
            raise WmiError(ACCESS_DENIED, "Access denied")

    def _require_group(self, user: str) -> None:
        if not self._in_group(user):
            raise WmiError(ACCESS_DENIED, "Access denied")

    def _find(self, class_name: str, selectors: Mapping[str, str]) -> Instance:
        key = KEYS[class_name]
        wanted = {name.lower(): value for name, value in selectors.items()}.get(key.lower(), "")
        if class_name == "MIIS_CSObject":
            found = self._objects({"guid": wanted})
        else:
            found = (one for one in self._instances[class_name]() if _same(one.properties[key], wanted))
        instance = next(found, None)
        if instance is None:
            raise WmiError(NOT_FOUND, f"{class_name}.{key}={wanted!r}: not found")
        return instance

    def _agents(self) -> Iterator[Instance]:
        for agent in self._engine.agents.values():
            yield Instance(
                "MIIS_ManagementAgent", {"Guid": agent.guid, "Name": agent.name, "Type": agent.type}
            )

    def _runs(self) -> Iterator[Instance]:
        for run in self._engine.runs():
            yield Instance("MIIS_RunHistory", _run_properties(run))

    def _server(self) -> Iterator[Instance]:
        yield Instance("MIIS_Server", {"Name": "MIIS_Server1"})

    def _objects(self, wanted: Mapping[str, str]) -> Iterator[Instance]:
        """Look objects up in one of the documented ways; there is no other (Microsoft Learn ms697741)."""
        if wanted.keys() not in _OBJECT_QUERIES:
            raise WmiError(NOT_CAPABLE, "Provider is not capable of the attempted operation")
        demands = [
            (keys, self._normal(name, wanted[name])) for name, keys in _OBJECT_KEYS.items() if name in wanted
        ]
        if not all(value for _, value in demands):
            return

        def meets(item: ConnectorSpaceObject) -> bool:
            # Every query asks this of every object, so it does no more than it must.
            for keys, value in demands:  # noqa: SIM110 - all() takes twice as long
                if value not in keys(item):
                    return False
            return True

        for view in self._engine.connector_space_objects(meets):
            yield Instance("MIIS_CSObject", self._object_properties(view))

    def _normal(self, name: str, value: str) -> str:
        """Return a demanded value as objects have it: a domain by its NetBIOS name, an agent by its own."""
        if name == "maguid":
            value = next((one.name for one in self._engine.agents.values() if _same(one.guid, value)), "")
        if name == "fullyqualifieddomain":
            value = self._domain.netbios_name if _same(value, self._domain.dns_name) else ""
        return value.casefold()

    def _dns_name(self, view: ConnectorSpaceView) -> str:
        return self._domain.dns_name if _same(view.domain, self._domain.netbios_name) else ""

    def _object_properties(self, view: ConnectorSpaceView) -> dict[str, str | None]:
        return {
            "Account": view.account,
            "Dn": view.dn,
            "Domain": view.domain,
            "EscrowedExportHologram": "",
            "FullyQualifiedDomainName": self._dns_name(view),
            "Guid": view.guid,
            "Hologram": view.hologram_xml,
            "MaGuid": view.agent_guid,
            "MaName": view.agent,
            "MvGuid": view.metaverse_guid,
            "ObjectType": view.object_type,
            "PartitionDisplayName": view.partition_name,
            "PartitionGuid": None,
            "PartitionName": view.partition_name,
            "PasswordChangeHistory": None,
            "PendingImportHologram": view.pending_import_xml,
            "UnappliedExportHologram": view.unapplied_export_xml,
            "UnconfirmedExportHologram": view.unconfirmed_export_xml,
            "UserPrincipalName": view.user_principal_name,
        }

    def _call_agent(self, instance: Instance, method: str, arguments: Mapping[str, str], user: str) -> str:
        agent = instance.properties["Name"] or ""
        if method in COUNTERS:
            return str(self._engine.counters(agent)[method])
        if method.startswith("Run"):
            return self._last_run(agent, method)
        if method == "Execute":
            return self._execute(agent, arguments.get("RunProfileName", ""), user)
        if method == "Stop":
            return self._engine.stop_run(agent)
        if method in {"GetServerStatus", "SuppressFullSyncWarning"}:
            return "success"
        raise WmiError(INVALID_METHOD, f"MIIS_ManagementAgent has no method {method}")

    def _execute(self, agent: str, profile: str, user: str) -> str:
        try:
            return self._engine.execute(agent, profile, user)
        except SyncConcurrencyError as error:
            raise WmiError(ANOTHER_SYNCHRONISATION, error.cause) from error

    def _last_run(self, agent: str, method: str) -> str:
        run = next(iter(self._engine.runs(agent)), None)
        if method == "RunDetails":
            return run.details_xml() if run else "<run-history/>"
        properties = {"RunProfile", "RunNumber", "RunStatus", "RunStartTime", "RunEndTime"}
        if method not in properties:
            raise WmiError(INVALID_METHOD, f"MIIS_ManagementAgent has no method {method}")
        return (_run_properties(run)[method] or "") if run else ""

    def _call_run(self, instance: Instance, method: str, _: Mapping[str, str], __: str) -> str:
        if method != "RunDetails":
            raise WmiError(INVALID_METHOD, f"MIIS_RunHistory has no method {method}")
        runs = self._engine.runs(instance.properties["MaName"])
        return next(
            (run.details_xml() for run in runs if str(run.run_number) == instance.properties["RunNumber"]), ""
        )

    def _call_server(self, _: Instance, method: str, arguments: Mapping[str, str], __: str) -> str:
        if method == "ClearRuns":
            try:
                moment = datetime.fromisoformat(arguments.get("EndingBefore", ""))
            except ValueError:
                logger.info("ClearRuns: %r is not a time", arguments.get("EndingBefore"))
                return "call-failure"
            self._engine.clear_runs(moment.replace(tzinfo=UTC))
            return "success"
        if method in {"ClearPasswordHistory", "ClearPasswordQueue"}:
            return "success"
        if method == "NumPasswordQueueObjects":
            return "0"
        raise WmiError(INVALID_METHOD, f"MIIS_Server has no method {method}")


def _run_properties(run: RunRecord) -> dict[str, str | None]:
    return {
        "Key": f"{run.agent_guid}{run.run_number}",
        "MaGuid": run.agent_guid,
        "MaName": run.agent,
        "RunEndTime": stamp(run.ended),
        "RunNumber": str(run.run_number),
        "RunProfile": run.profile,
        "RunStartTime": stamp(run.started),
        "RunStatus": run.status,
    }


def _class(name: str) -> str:
    for known in KEYS:
        if known.lower() == name.lower():
            return known
    raise WmiError(INVALID_CLASS, f"Invalid class {name!r}")


def _matches(instance: Instance, where: Sequence[wql.Condition]) -> bool:
    properties = {name.lower(): value for name, value in instance.properties.items()}
    return all(condition.holds(properties) for condition in where)


def _project(instance: Instance, columns: Sequence[str]) -> Instance:
    if not columns:
        return instance
    wanted = {column.lower() for column in columns}
    chosen = {name: value for name, value in instance.properties.items() if name.lower() in wanted}
    return Instance("", chosen)


def _same(first: str | None, second: str) -> bool:
    return first is not None and first.casefold() == second.casefold()
