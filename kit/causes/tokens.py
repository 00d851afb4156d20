"""What a run's status means for photos: every documented token that is not plain success, in words.

The tokens and their meaning: Microsoft Learn ms697765 and ms699322, MS-UPSDBDAP 2.2.1.1. What they lead to
for photos is inferred from that.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from kit.runs import OK, STATUSES


@dataclass(frozen=True)
class Token:
    """A status in words: what it means, what it does to photos, what to do; a clause each."""

    meaning: str
    consequence: str
    remedy: str


_NOTHING = "the run did nothing: no photo moved"
_MIDWAY = "the run broke off midway: what came before moved, the other photos did not"
_ELSEWHERE = "it is about a file-based agent, so no photo passes here; a run of it did nothing"

_GROUPS: tuple[tuple[str, str, Mapping[str, str]], ...] = (
    (
        "all that could be read moved; some values or objects deserve a look",
        "read the warnings in the run's details",
        {
            "completed-warnings": "the run reached its end with warnings",
            "completed-transient-objects": "the run reached its end, some objects are not settled yet",
        },
    ),
    (
        "the photos of the objects that failed stay where they were, everybody else's moved",
        "open the run's errors, mend the objects named there, and run it again",
        {
            "completed-sync-errors": "the rules failed for some objects",
            "completed-export-errors": "the connected system refused some objects",
        },
    ),
    (
        (
            "the profiles that could not be read keep their old photo, and the later steps of the run did "
            "not take place"
        ),
        "mend the objects named under the discovery errors, then run it again",
        {"completed-discovery-errors": "the import could not read some objects"},
    ),
    (
        _NOTHING,
        "have the account added to FIMSyncOperators, or to FIMSyncAdmins, and sign in again",
        {"access-denied": "the account that started the run may not do so"},
    ),
    (
        "whether the run took place, and with it any photo, is not known",
        "see that the synchronization service runs, read the Application event log, then the run history",
        {
            "call-failure": "the call to the synchronization service failed",
            "connection-failure": "the service is down, or the account has lost its group",
        },
    ),
    (
        "photos are moving; what they come to is not known yet",
        "wait for its end",
        {
            "in-progress": "the run goes on",
            "completing-obsoletion": "the run is working out which objects are gone",
            "completing-referential-updates": "the run is settling references between objects",
        },
    ),
    (
        _NOTHING,
        "wait for the other run, and see that no two schedules meet",
        {
            "no-start-ma-already-running": "the agent was running already",
            "no-start-ma-update-in-progress": "the agent was being changed or its connector space deleted",
            "no-start-concurrent-execution-not-support": "this agent cannot run beside another",
        },
    ),
    (
        _NOTHING,
        "correct the agent, its partitions or the run profile in miisclient.exe, or the name in the schedule",
        {
            "no-start-bad-ma-configuration": "the agent's configuration is not valid",
            "no-start-ma": "the agent could not be started",
            "no-start-ma-working-directory": "the agent's working folder cannot be used",
            "no-start-delta-step-type-not-configured": "the agent is not set up for delta imports",
            "no-start-missing-partition-for-run-step": "the run profile names a partition that is gone",
            "no-start-no-steps-in-profile": "the run profile has no steps",
            "no-start-partition-delete": "a partition of the run profile was deleted in the system",
            "no-start-partition-not-configured": "a partition of the run profile is not selected",
            "no-start-partition-rename": "a partition of the run profile was renamed in the system",
            "no-start-unknown-profile-name": "the agent has no run profile of that name",
        },
    ),
    (
        (
            "the run did nothing, and no delta import will until a full one has run; that full import "
            "overlooks new pictures of objects it knows"
        ),
        "run a full import; then look at who is stale before trusting it",
        {"no-start-full-import-required": "the agent has no place in the change log to go on from"},
    ),
    (
        _NOTHING,
        "see that the system is up and its address, port, account and password in the agent are right",
        {
            "no-start-connection": "the connected system was not reached, or refused the connection",
            "no-start-credentials": "the connected system refused the agent's account",
            "no-start-no-domain-controller": "no domain controller was found",
            "no-start-server": "the synchronization server could not start the run",
        },
    ),
    (
        _ELSEWHERE,
        "look at that agent's database, file or change log; photos do not depend on it",
        {
            "no-start-change-log-not-enabled": "the system's change log is not switched on",
            "no-start-database-permission": "the agent's account may not read the database",
            "no-start-database-schema-mismatch": "the database no longer has the agent's schema",
            "no-start-database-table": "a table of the database is missing",
            "no-start-file-access-denied": "the agent's file may not be read",
            "no-start-file-code-page": "the agent's file has another code page",
            "no-start-file-contains-incorrect-step-type": "the agent's file is for another kind of step",
            "no-start-file-not-found": "the agent's file is missing",
            "no-start-file-open": "the agent's file cannot be opened",
            "no-start-file-sharing-violation": "the agent's file is open elsewhere",
            "no-start-header-row-mismatch": "the agent's file has another header row",
            "no-start-notes-api-not-availible": "the Notes interface is missing",
            "no-start-notes-client-init-failure": "the Notes client could not be started",
        },
    ),
    (
        _MIDWAY,
        "see that the system is up and takes the agent's account, then run it again",
        {
            "stopped-bad-server-credentials": "the connected system refused the agent's account midway",
            "stopped-connectivity": "the connection to the system was lost",
            "stopped-server-down": "the connected system went down",
            "stopped-import-read": "reading from the connected system failed",
            "stopped-export-write": "writing to the connected system failed",
            "stopped-entry-export-error": "the connected system could not take an entry",
            "stopped-unexpected-data": "the connected system sent something unexpected",
            "stopped-parsing-errors": "what the connected system sent could not be read",
            "stopped-change-log-out-of-order": "the system's change log is not in order",
        },
    ),
    (
        _MIDWAY,
        (
            "read the Application event log of the synchronization server, mend SQL Server, memory or disk, "
            "run it again"
        ),
        {
            "stopped-server": "the server stopped the run; the reason is in its event log",
            "stopped-service-shutdown": "the synchronization service was shut down",
            "stopped-database-connection-lost": "the connection to SQL Server was lost",
            "stopped-database-disk-full": "the database's disk is full",
            "stopped-deadlocked": "SQL Server broke off a deadlock, as when two runs meet",
            "stopped-disk-full": "the server's disk is full",
            "stopped-out-of-memory": "the server ran out of memory",
        },
    ),
    (
        (
            "the import or synchronization broke off: a single picture that cannot be fetched can keep "
            "everybody's away"
        ),
        (
            "read the call stack (event 6801, or the run's details); for the SharePoint agent look at the "
            "picture it was downloading, its host and its sign-in"
        ),
        {
            "stopped-extension-dll-exception": "the connector or a rules extension threw an exception",
            "stopped-extensible-extension-error": "the connector reported an error",
            "stopped-ma-extension-error-in-end-connection": "the connector failed at the end",
            "stopped-error-in-end-connection": "closing the connection failed",
            "stopped-ma-extension-timeout": "the connector did not answer in time",
            "stopped-ma": "the agent stopped itself",
        },
    ),
    (
        _MIDWAY,
        (
            "put the right build of the extension into the Extensions folder, as "
            "Publish-SynchronizationAssembly does, then a full synchronization"
        ),
        {
            "stopped-extension-dll-access": "the extension's file may not be read",
            "stopped-extension-dll-ambiguous": "the extension has more than one class that fits",
            "stopped-extension-dll-file-not-found": "the extension's file is missing",
            "stopped-extension-dll-instantiation": "the extension could not be started",
            "stopped-extension-dll-invalid-assembly": "the extension's file is no assembly",
            "stopped-extension-dll-load": "the extension could not be loaded",
            "stopped-extension-dll-missing-dependency": "the extension lacks a file that it needs",
            "stopped-extension-dll-no-implementation": "the extension lacks the class that is called",
            "stopped-extension-dll-not-configured-for-ma": "the agent's rules name no extension",
            "stopped-extension-dll-not-configured-for-mv": "the metaverse's rules name no extension",
            "stopped-extension-dll-updated-version": "the extension was replaced while it ran",
            "stopped-entry-point-not-implemented": "the extension lacks a method that is called",
            "stopped-password-extension-not-configured": "passwords are to be set and no extension does it",
            "stopped-password-extension-timeout": "the password extension did not answer in time",
        },
    ),
    (
        (
            "the run stopped itself before it deleted more, as it was told to; the photos after that point "
            "did not move"
        ),
        "find out why so much is to be deleted before the limit is raised",
        {"stopped-deletion-limit": "more deletions than the run's threshold allows"},
    ),
    (
        "the run dealt with as many objects as its threshold allows; the photos of the others did not move",
        "run it again for the next ones, or take the threshold out of the run profile",
        {"stopped-object-limit": "the run reached its threshold of objects, which is its normal end"},
    ),
    (
        _MIDWAY,
        "open the run's errors, mend what they have in common, and run it again",
        {"stopped-error-limit": "too many objects failed"},
    ),
    (
        _MIDWAY,
        "ask who stopped it, then run it again",
        {
            "stopped-user-termination-from-wmi-or-ui": "somebody stopped the run",
            "stopped-user-termination-from-extension": "code stopped the run",
        },
    ),
    (
        _NOTHING,
        "correct the agent in miisclient.exe; for an export see that it is allowed to export at all",
        {
            "stopped-bad-ma-configuration": "the agent's configuration is not valid",
            "stopped-export-disabled": "exports of this agent are switched off",
        },
    ),
    (
        _ELSEWHERE,
        "look at that agent's file; photos do not depend on it",
        {
            "stopped-code-page-conversion": "a text does not fit the code page",
            "stopped-failed-to-delete-file": "a file of the agent could not be deleted",
            "stopped-file-embedded-nulls": "the agent's file holds NUL characters",
            "stopped-file-error": "the agent's file could not be read or written",
        },
    ),
)


def _tokens() -> Iterator[tuple[str, Token]]:
    for consequence, remedy, meanings in _GROUPS:
        for status, meaning in meanings.items():
            yield status, Token(meaning, consequence, remedy)


TOKENS: Mapping[str, Token] = MappingProxyType(dict(_tokens()))
"""Every status token but those of success, in words."""

_NEW = Token(
    "this status is not documented", "what became of photos is not known", "look at the run in miisclient.exe"
)


def explain(status: str) -> str:
    """Put a status into one sentence.

    Examples
    --------
    >>> explain("stopped-object-limit")
    'The run reached its threshold of objects, which is its normal end; the run dealt with as many ...'
    >>> explain("success")
    'It ended well.'
    """
    if STATUSES.get(status) == OK:
        return "It ended well."
    token = TOKENS.get(status, _NEW)
    sentence = f"{token.meaning}; {token.consequence}; {token.remedy}."
    return sentence[0].upper() + sentence[1:]
