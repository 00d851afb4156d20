"""The plan of the experiment: which changes are made to the test account, and which import is to see each.

Full before Delta Import, picture before phone number: a phone number that changes with the picture could make
an import read the whole object.
"""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from kit import schema
from kit.case import Case
from kit.sequence import Step
from kit.subject import PHONE, PICTURE

READY, CATCH_UP, PUT_BACK = "ready", "catch_up", "put_back"
TRIALS = tuple(
    f"{attribute} {imports}" for attribute in (PICTURE, PHONE) for imports in ("full_import", "delta_import")
)
"""What is measured: which change, seen by which run profile."""

_EXPECTED = {
    READY: "one test account, joined in MIM; no run in progress; picture and phone number kept",
    CATCH_UP: "whoever uploaded since the last import is staged, before a full import passes them over",
    "full_import": "everybody's changes staged; it sets the mark that delta imports go on from (unproven)",
    "delta_import": "what SharePoint's change log holds of everybody is staged",
    PUT_BACK: "the former values staged, so that no synchronization meets the test picture",
}


def steps(case: Case) -> tuple[Step, ...]:
    """Lay out the experiment.

    Every change gets a value of its own, so that what one import leaves behind is not taken for what the next
    one sees.
    """
    return tuple(
        Step(number, kind, name, agent, profile, expected)
        for number, (kind, name, agent, profile, expected) in enumerate(_steps(case), 1)
    )


def _steps(case: Case) -> Iterator[tuple[str, str, str, str, str]]:
    agent, profiles = case.mim.sharepoint_agent, case.mim.run_profiles
    yield "verify", READY, "", "", _EXPECTED[READY]
    yield "run", CATCH_UP, agent, profiles.delta_import, _EXPECTED[CATCH_UP]
    for trial in TRIALS:
        attribute, imports = trial.split()
        value = "a new test card" if attribute == PICTURE else "a test number"
        profile = getattr(profiles, imports)
        yield "write", trial, "", "", f"SharePoint shows {value} as the test account's {attribute}"
        yield "run", trial, agent, profile, _EXPECTED[imports]
        yield "look", trial, agent, "", f"whether the connector space holds {value}"
    for attribute in (PHONE, PICTURE):
        other = ", the same to the eye and encoded anew" if attribute == PICTURE else ""
        yield (
            "write",
            f"{PUT_BACK} {attribute}",
            "",
            "",
            f"the former {attribute} is back{other}",
        )
    yield "run", PUT_BACK, agent, profiles.delta_import, _EXPECTED[PUT_BACK]
    yield "look", PUT_BACK, agent, "", "the connector space holds the former values"


def frame(case: Case) -> pd.DataFrame:
    """Return the plan with the columns of `kit.schema.PLAN`."""
    rows = [step.__dict__ | {"step": step.number} for step in steps(case)]
    return schema.conform(pd.DataFrame(rows), schema.PLAN)
