"""A cause as data: what a person sees, what is looked at, how sure it makes, what mends it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pandas as pd

if TYPE_CHECKING:
    from kit.observation import Observation

CERTAINTIES = ("suspected", "probable", "confirmed")
"""How sure a rule can be, the least first; the empty text is: it does not apply."""


@dataclass(frozen=True)
class Cause:
    """One reason why a photo is not the same in both systems, and how to tell.

    Parameters
    ----------
    name : str
        Identifier, as in frames.
    symptom : str
        What a person sees, one clause.
    checked : str
        What is looked at, one clause.
    evidence : tuple of str
        Columns of `Observation.people` that carry the evidence, or ``farm: ...`` texts.
    cause : str
        What happened, one sentence.
    refuted_by : str
        Which observation would refute it, one clause.
    fix : str
        One or two sentences.
    next_notebook : str
        Where the kit does it; empty where a person does.
    applies : callable
        Certainty per person: a text Series on the index of `Observation.people`, empty where it does not
        apply.
    needs : tuple of str
        Fields of `Observation` without which the rule cannot be checked; ``trace`` and ``looks`` stand for
        their columns.
    farm : callable or None
        Certainty for the farm as a whole, for what blames no single person.
    found : callable or None
        What was found on this farm in particular, a sentence or the empty text, such as what a status means.
    remedy_is_reset : bool
        Deleting the SharePoint connector space is the remedy.
    harmless : bool
        It is told of people whose photo is right or who have none, and never counts as drift.
    """

    name: str
    symptom: str
    checked: str
    evidence: tuple[str, ...]
    cause: str
    refuted_by: str
    fix: str
    next_notebook: str
    applies: Callable[[Observation], pd.Series] = field(repr=False)
    needs: tuple[str, ...] = ()
    farm: Callable[[Observation], str] | None = field(default=None, repr=False)
    found: Callable[[Observation], str] | None = field(default=None, repr=False)
    remedy_is_reset: bool = False
    harmless: bool = False


def spoken(name: str) -> str:
    """Return the name of a cause as it is read.

    Examples
    --------
    >>> spoken("no_picture_in_sharepoint")
    'no picture in SharePoint'
    """
    return name.replace("_", " ").replace("sharepoint", "SharePoint")


def graded(
    observation: Observation,
    *,
    suspected: pd.Series | None = None,
    probable: pd.Series | None = None,
    confirmed: pd.Series | None = None,
) -> pd.Series:
    """Make certainties out of masks on the people's index; the surest wins, and unknown counts as False.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> seen = SimpleNamespace(people=pd.DataFrame(index=[0, 1]))
    >>> some = pd.Series([None, True], dtype="boolean")
    >>> graded(seen, suspected=pd.Series([True, True]), probable=some).tolist()
    ['suspected', 'probable']
    """
    certainty = pd.Series("", index=observation.people.index, dtype="str")
    for word, mask in zip(CERTAINTIES, (suspected, probable, confirmed), strict=True):
        if mask is not None:
            certainty = certainty.mask(mask.astype("boolean").fillna(value=False).astype("bool"), word)
    return certainty


def nobody(observation: Observation) -> pd.Series:
    """Blame no single person, as rules about the farm do."""
    return graded(observation)


def drifted(observation: Observation) -> pd.Series:
    """Tell whose photo in Active Directory is not, or may not be, SharePoint's; or could not be judged.

    A rule that is not harmless blames nobody else.
    """
    return ~observation.people["verdict"].isin(["in_sync", "no_photo"])
