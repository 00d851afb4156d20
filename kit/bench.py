"""The benchmarks: which there are, how one is chosen and run, and how what it measured is shown.

A benchmark is a module with one function, ``measure(progress) -> Result``. It is imported only when it runs,
so that listing the benchmarks costs nothing.
"""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from kit.errors import ParameterError

if TYPE_CHECKING:
    import pandas as pd

    from kit.progress import Progress


@dataclass(frozen=True)
class Benchmark:
    """One entry of `BENCHMARKS`.

    Parameters
    ----------
    purpose : str
        What it measures, one clause.
    module : str
        Dotted name of the module that measures; it has ``measure(progress) -> Result``.
    """

    purpose: str
    module: str


@dataclass(frozen=True)
class Result:
    """What one benchmark measured.

    Parameters
    ----------
    tables : mapping of str to DataFrame
        Title to table, in the order in which they are shown; the index is shown too.
    notes : tuple of str
        Sentences on what was measured and how, shown below the tables.
    failures : tuple of str
        Every bar that was missed, with the number found; empty if all were met.
    """

    tables: Mapping[str, pd.DataFrame]
    notes: tuple[str, ...] = ()
    failures: tuple[str, ...] = field(default=())

    def __str__(self) -> str:
        parts = [f"{title}\n{table.to_string()}" for title, table in self.tables.items()]
        lines = [*self.notes, *(f"MISSED: {failure}" for failure in self.failures)]
        return "\n\n".join([*parts, "\n".join(lines)]).rstrip()


BENCHMARKS: Mapping[str, Benchmark] = {
    "comparison": Benchmark(
        "error rates and time of the photo comparison, beside a plain 64-bit pHash",
        "kit.benchmarks.comparison",
    ),
    "diagnosis": Benchmark(
        "causes planted on practice farms against what is diagnosed of them",
        "kit.benchmarks.diagnosis",
    ),
}
"""Every benchmark by name, in the order in which they run."""


def choose(names: Sequence[str]) -> tuple[str, ...]:
    """Return the benchmarks to run: those named, in the registry's order, or all of them.

    Parameters
    ----------
    names : sequence of str
        Empty for all.

    Raises
    ------
    ParameterError
        A name is unknown.

    Examples
    --------
    >>> choose(["comparison"])
    ('comparison',)
    """
    for name in names:
        if name not in BENCHMARKS:
            close = difflib.get_close_matches(name, BENCHMARKS, n=1)
            cause = f"the benchmarks are {', '.join(BENCHMARKS)}"
            next_step = f"did you mean '{close[0]}'" if close else "name one of these, or none to run all"
            raise ParameterError(f"benchmark '{name}' is unknown", cause, next_step)
    return tuple(name for name in BENCHMARKS if not names or name in names)


def run(name: str, progress: Progress) -> Result:
    """Import and run one benchmark.

    Parameters
    ----------
    name : str
        A key of `BENCHMARKS`.
    progress : Progress
        Told of every long step.
    """
    module = importlib.import_module(BENCHMARKS[name].module)
    measure: Callable[[Progress], Result] = module.measure
    return measure(progress)
