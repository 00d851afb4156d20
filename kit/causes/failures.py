"""What an error of a single object means for its photo: every documented error type, in words.

The types: Microsoft's list of management agent run error codes (MIMDocs), MS-UPSDBDAP 2.2.6. What they lead
to for photos is inferred from that.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import pandas as pd

from kit import signs
from kit.observation import Observation

_MOST = 3
"""Error types that are told of, the most frequent ones."""


@dataclass(frozen=True)
class Failure:
    """An error type in words: what it means, and what mends it; a clause each."""

    meaning: str
    remedy: str


_AGAIN = "run it again, with no other run beside it"
_NAMED = "read the error's text in the run's details, mend what it names, and run it again"

DISCOVERY: Mapping[str, Failure] = MappingProxyType(
    {
        "need-full-object": Failure("a change came without the object it belongs to", "run a full import"),
        "duplicate-object": Failure("the object came twice in one import", "merge the two profiles"),
        "missing-anchor-component": Failure("the object has no account name", "give the profile its account"),
        "read-error": Failure("the object could not be read", _NAMED),
        "staging-error": Failure("the object could not be staged", _NAMED),
        "invalid-attribute-value": Failure("a value is not valid", "correct the value that the error names"),
    }
)
"""Errors of an import about an object that it could not read."""

SYNCHRONIZATION: Mapping[str, Failure] = MappingProxyType(
    {
        "unique-index-violation": Failure(
            "the object would get a value that another one has and nobody may share",
            "find the two objects by the value that the error names, and correct one of them",
        ),
        "mv-constraint-violation": Failure(
            "a value does not fit the attribute of the metaverse",
            "shorten or correct the value, or widen the attribute in the Metaverse Designer",
        ),
        "cs-attribute-type-mismatch": Failure(
            "the value has another type than the schema says",
            "refresh the agent's schema, then a full import",
        ),
        "ambiguous-import-flow-from-multiple-connectors": Failure(
            "several objects of one agent are joined to the person, and their values differ",
            "disconnect all but one of the person's objects",
        ),
        "locking-error-needs-retry": Failure("another run had locked the object", _AGAIN),
        "missing-partition-for-run-step": Failure(
            "the run names a partition that is gone", "correct the run profile in miisclient.exe"
        ),
        "unexpected-error": Failure("the service failed without saying why", _NAMED),
    }
)
"""Errors of a synchronization that are not those of code, nor about changes that did not come back."""

EXPORT: Mapping[str, Failure] = MappingProxyType(
    {
        "cd-error": Failure("the domain controller refused the change with a code of its own", _NAMED),
        "cd-existing-object": Failure(
            "the object is there already", "import and synchronize the directory agent, so that it is joined"
        ),
        "cd-missing-object": Failure(
            "the object is gone from Active Directory, or was moved",
            "run a full import of the directory agent, then synchronize and export",
        ),
        "constraint-violation": Failure(
            "a value breaks a constraint of the directory, though the photo's size fits",
            "look which attribute the error names, and correct its value",
        ),
        "schema-violation": Failure(
            "the change does not fit the directory's schema",
            "refresh the directory agent's schema, and look at what is exported with the photo",
        ),
        "syntax-violation": Failure("a value has the wrong syntax", "correct the value that the error names"),
        "dn-attributes-failure": Failure(
            "a reference, such as the manager, names an object that cannot be found",
            "export the object it names first, or correct the reference",
        ),
        "non-existent-parent": Failure(
            "the container of the object is not there", "create the container, or correct where the object is"
        ),
        "invalid-attribute-value": Failure("a value is refused", "correct the value that the error names"),
        "invalid-dn": Failure("the distinguished name is not valid", "correct the name"),
        "rename-to-existing-dn": Failure(
            "the object would be renamed to a name that is taken", "correct one of the two names"
        ),
        "duplicate-anchor": Failure("two objects have one anchor", "merge or correct the two"),
        "ambiguous-update": Failure(
            "the change fits more than one object", "find the two objects, and delete or correct one"
        ),
        "locking-error-needs-retry": Failure("another run had locked the object", _AGAIN),
        "password-policy-violation": Failure(
            "a password that is exported with the photo is refused", "take the password out of the export"
        ),
        "kerberos-": Failure(
            "the sign-in to the domain controller by Kerberos failed",
            "compare the clocks, look at the agent's account and the controller's service principal names",
        ),
        "encryption-key-lost": Failure(
            "the service's encryption key does not open the agent's password",
            "restore the key (miiskmu.exe), or enter the agent's password again",
        ),
        "ma-extension-error": Failure("the connector reported an error", _NAMED),
        "unexpected-error": Failure("the service failed without saying why", _NAMED),
    }
)
"""Errors of an export that have no cause of their own in the diagnosis; a dash ends a beginning."""

_WORDS = MappingProxyType({"discovery": DISCOVERY, "import": SYNCHRONIZATION, "export": EXPORT})
_NEW = Failure("this error type is not documented", _NAMED)


def explain(side: str, error_type: str) -> str:
    """Put an error type into words.

    Examples
    --------
    >>> explain("export", "kerberos-time-skew").partition(";")[0]
    'kerberos-time-skew: the sign-in to the domain controller by Kerberos failed'
    """
    words = _WORDS[side]
    begins = (name for name in words if name.endswith("-") and error_type.startswith(name))
    found = words.get(error_type) or words.get(next(begins, ""), _NEW)
    return f"{error_type or 'an error without a type'}: {found.meaning}; {found.remedy}"


def concerned(observation: Observation, side: str, *others: str) -> pd.Series:
    """Tell whom errors concern that no other cause is about.

    Parameters
    ----------
    observation : Observation
    side : str
        ``discovery`` and ``import`` of the SharePoint agent, ``export`` of the directory agent; imports of
        the latter too.
    *others : str
        Error types that are left out; one that ends in ``-`` stands for all that begin so.
    """
    concerned = pd.Series(data=False, index=observation.people.index)
    for agent in _agents(observation, side):
        types = _types(observation, agent, side, others)
        if types:
            concerned |= signs.incidents(observation, agent, side, *types)
    return concerned


def tell(side: str, observation: Observation, *others: str) -> str:
    """Say which errors there are, the most frequent first, each with its number and its words."""
    counts: dict[str, int] = {}
    for agent in _agents(observation, side):
        found = signs.standing(observation, agent, side)["error_type"]
        for error_type, count in found.value_counts().items():
            if not _is_among(str(error_type), others):
                counts[str(error_type)] = counts.get(str(error_type), 0) + int(count)
    most = sorted(counts.items(), key=lambda one: (-one[1], one[0]))[:_MOST]
    return " ".join(f"{count:,} of {explain(side, error_type)}." for error_type, count in most)


def _agents(observation: Observation, side: str) -> tuple[str, ...]:
    sharepoint, directory = observation.sharepoint_agent, observation.directory_agent
    return {"discovery": (sharepoint,), "import": (sharepoint, directory), "export": (directory,)}[side]


def _types(observation: Observation, agent: str, side: str, others: tuple[str, ...]) -> list[str]:
    found = signs.standing(observation, agent, side)["error_type"].unique()
    return [str(one) for one in found if not _is_among(str(one), others)]


def _is_among(error_type: str, names: tuple[str, ...]) -> bool:
    begins = tuple(name for name in names if name.endswith("-"))
    return error_type in names or error_type.startswith(begins)
