"""The diagnosis against the truth: causes planted on practice farms, and what is diagnosed of them.

A farm of 500 people carries every cause that concerns single persons at once; each cause that concerns a
whole farm has a small farm of its own. Everything is read as on a real farm, over the wire, and nothing but
the case file is passed from the farm to the diagnosis.
"""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from kit import case as cases
from kit import diagnosis, drift, inventory, observation, plan, sources, trace
from kit.bench import Result
from kit.case import Case
from kit.diagnosis import Diagnosis
from kit.lab import farm as lab
from kit.lab.conditions import CONDITIONS
from kit.lab.plantings import PLANTINGS
from kit.observation import Observation
from kit.progress import Progress, quiet
from kit.store import PhotoStore

USERS, SEED = 500, 1
SMALL = 20
"""People of a farm with one cause that concerns all of it."""
NOTHING = "(none)"
"""What stands for nothing planted, and for nothing diagnosed."""
_ATTEMPTS = 2
"""Times that a request is sent: what is throttled on purpose is not worth a longer wait."""


@dataclass(frozen=True)
class Trial:
    """One farm diagnosed.

    Parameters
    ----------
    people : DataFrame
        Everybody of the inventory: ``account``, ``verdict``, ``planted``, ``diagnosed`` and ``certainty``.
    diagnosis : Diagnosis
    """

    people: pd.DataFrame
    diagnosis: Diagnosis

    @property
    def wrong(self) -> pd.DataFrame:
        """Those of whom something else was diagnosed than was planted."""
        return self.people[self.people["planted"] != self.people["diagnosed"]]

    @property
    def matrix(self) -> pd.DataFrame:
        """How many people with a cause planted, by row, were diagnosed with which, by column."""
        return pd.crosstab(self.people["planted"], self.people["diagnosed"])


def measure(progress: Progress) -> Result:
    """Try every cause on one large farm and on small ones; see `kit.bench`."""
    large = _on_a_farm(USERS, SEED, tuple(PLANTINGS), progress)
    small = conditions(SEED, progress=progress)
    failures = [
        *told(large),
        *(f"{cause} was not found" for cause in small.index[small["certainty"].eq("")]),
        *(f"the reset was offered for {cause}" for cause in small.index[small["reset offered"]]),
        *(f"on the farm of {cause}: {line}" for cause, lines in small["wrong"].items() for line in lines),
    ]
    return Result(
        {
            f"People by planted and diagnosed cause, {USERS} people, seed {SEED}": abridged(large.matrix),
            "Recall, and people wrongly blamed": scores(large.matrix),
            f"Causes that concern a whole farm, each on one of {SMALL} people": small.drop(columns="wrong"),
        },
        ("A column of the first table is the cause of the row with the same number.",),
        tuple(failures),
    )


def told(trial: Trial) -> list[str]:
    """Name everybody of whom something else was diagnosed than was planted, a line each."""
    return [
        f"{account} ({verdict}): {planted} planted, {found} diagnosed"
        for account, verdict, planted, found in trial.wrong.drop(columns="certainty").itertuples(index=False)
    ]


def matrix(seed: int, users: int = USERS) -> pd.DataFrame:
    """Plant every cause that concerns single persons, and diagnose everybody.

    Parameters
    ----------
    seed, users : int
        Of the farm.

    Returns
    -------
    DataFrame
        Planted causes by row, diagnosed ones by column, `NOTHING` among both; int64 counts of people.
    """
    return trial(seed, users).matrix


def trial(seed: int, users: int = USERS, causes: Collection[str] = tuple(PLANTINGS)) -> Trial:
    """Start a farm with causes, diagnose everybody and stop it again."""
    return _on_a_farm(users, seed, causes, quiet)


def scores(matrix: pd.DataFrame) -> pd.DataFrame:
    """Return recall and wrong blame of every cause in a confusion matrix.

    Parameters
    ----------
    matrix : DataFrame
        As `matrix` returns it.

    Returns
    -------
    DataFrame
        By cause: ``planted`` and ``found`` (people), ``recall`` (share), ``wrongly blamed`` (people who were
        diagnosed with it and have not got it).

    Examples
    --------
    >>> seen = pd.DataFrame({"throttled": [1, 1]}, index=["throttled", "no_profile"])
    >>> scores(seen).loc["throttled"].tolist()
    [1.0, 1.0, 1.0, 1.0]
    """
    causes = matrix.index.union(matrix.columns)
    square = matrix.reindex(index=causes, columns=causes, fill_value=0)
    found = pd.Series({cause: square.loc[cause, cause] for cause in causes})
    planted = square.sum(axis="columns")
    return pd.DataFrame(
        {
            "planted": planted,
            "found": found,
            "recall": found / planted,
            "wrongly blamed": square.sum(axis="index") - found,
        }
    )


def abridged(matrix: pd.DataFrame) -> pd.DataFrame:
    """Return a confusion matrix for printing: square, its columns numbered like its rows, zeros as dots.

    Examples
    --------
    >>> print(abridged(pd.DataFrame({"throttled": [1, 0]}, index=["throttled", "no_profile"])).to_string())
                  1  2
    1 no_profile  .  .
    2 throttled   .  1
    """
    causes = matrix.index.union(matrix.columns)
    square = matrix.reindex(index=causes, columns=causes, fill_value=0)
    numbers = range(1, len(causes) + 1)
    rows = pd.MultiIndex.from_arrays([numbers, causes])
    return square.astype("str").replace("0", ".").set_axis(rows).set_axis(numbers, axis="columns")


def conditions(
    seed: int, users: int = SMALL, causes: Collection[str] = tuple(CONDITIONS), *, progress: Progress = quiet
) -> pd.DataFrame:
    """Start a small farm for every cause that concerns all of it, and diagnose each.

    Parameters
    ----------
    seed, users : int
        Of the farms.
    causes : collection of str
        Keys of `kit.lab.conditions.CONDITIONS`.
    progress : Progress

    Returns
    -------
    DataFrame
        By cause: ``certainty`` of the finding in words, empty where there is none; ``victims`` planted,
        ``blamed`` (those of them diagnosed with it), ``others`` (the other findings that explain drift),
        ``reset offered`` (bool) and ``wrong`` (tuple of the lines of `told`).
    """
    rows = {
        cause: _condition(_on_a_farm(users, seed, (cause,), quiet), cause)
        for cause in progress(causes, "farms", len(causes))
    }
    return pd.DataFrame.from_dict(rows, orient="index")


def _condition(trial: Trial, cause: str) -> Mapping[str, object]:
    leading = diagnosis.leading(trial.diagnosis).set_index("cause")
    victims = trial.people[trial.people["planted"] == cause]
    return {
        "certainty": leading["certainty"].get(cause, ""),
        "victims": len(victims),
        "blamed": int((victims["diagnosed"] == cause).sum()),
        "others": ", ".join(leading.index.drop(cause, errors="ignore")),
        "reset offered": diagnosis.reset_is_remedy(trial.diagnosis)[0],
        "wrong": tuple(told(trial)),
    }


def _on_a_farm(users: int, seed: int, causes: Collection[str], progress: Progress) -> Trial:
    """Start a farm, diagnose it as the notebooks do, and compare."""
    with tempfile.TemporaryDirectory(prefix="kit-bench-") as name:
        folder = Path(name)
        with (
            lab.start(
                folder / "farm", users=users, seed=seed, causes=causes, outputs=folder, case_id="bench"
            ) as farm,
            PhotoStore(folder / "photos.sqlite") as store,
        ):
            case = cases.load(farm.case_file)
            hasty = case.sharepoint.model_copy(update={"attempts": _ATTEMPTS})
            seen = observe(case.model_copy(update={"sharepoint": hasty}), store, progress)
            found = diagnosis.diagnose(seen)
            return Trial(_compared(found.people, farm.diagnoses), found)


def observe(case: Case, store: PhotoStore, progress: Progress = quiet) -> Observation:
    """Read everything that the diagnosis looks at, as the notebooks do.

    Parameters
    ----------
    case : Case
    store : PhotoStore
        Takes the photos.
    progress : Progress
    """
    configuration = plan.read_configuration(case)
    with (
        sources.directory(case) as directory,
        sources.sharepoint(case) as sharepoint,
        sources.synchronization(case) as service,
    ):
        everyone = inventory.take(directory, sharepoint, progress=progress)
        people = drift.measure(everyone, directory, sharepoint, store, progress=progress).people
        hops = trace.of_case(
            case,
            people,
            service,
            store,
            configuration=configuration,
            history=service.run_history(),
            changes=observation.change_log(sharepoint),
            progress=progress,
        )
        return observation.gather(
            case,
            people,
            hops,
            directory,
            sharepoint,
            service,
            configuration=configuration,
            progress=progress,
        )


def _compared(people: pd.DataFrame, expected: Mapping[str, str]) -> pd.DataFrame:
    """Put what was planted beside what was diagnosed; both empty texts become `NOTHING`."""
    planted = people["account"].map(expected).fillna("")
    return pd.DataFrame(
        {
            "account": people["account"],
            "verdict": people["verdict"],
            "planted": planted.replace("", NOTHING),
            "diagnosed": people["cause"].replace("", NOTHING),
            "certainty": people["certainty"],
        }
    )
