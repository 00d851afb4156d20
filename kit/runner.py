"""The notebooks through papermill: the same notebooks, the same code path, nobody watching."""

from __future__ import annotations

import difflib
import logging
import os
import subprocess
import tempfile
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from jupyter_client.manager import AsyncKernelManager
from traitlets.config import Config

from kit import errors, parameters
from kit.case import PROJECT, Case
from kit.errors import KitError, ParameterError
from kit.folder import CaseFolder
from kit.parameters import NOTEBOOKS, ON_REQUEST

logger = logging.getLogger(__name__)

FOLDER = PROJECT / "notebooks"
CELL_TIMEOUT = 6 * 3600
"""Seconds; a full import of a large farm takes hours, a hung kernel must end some day."""


class NotebookError(KitError):
    """A notebook stopped; ``sentence`` is what its last cell said."""


def choose(only: Sequence[str]) -> list[str]:
    """Return the notebooks to run, in their order; where none is named, all but those `ON_REQUEST`.

    Raises
    ------
    ParameterError
        A name is not one of `kit.parameters.NOTEBOOKS`.

    Examples
    --------
    >>> choose(["20_compare_photos"])
    ['20_compare_photos']
    """
    for name in only:
        if name not in NOTEBOOKS:
            raise ParameterError(
                f"notebook '{name}' is unknown", "there is no such notebook", f"use {', '.join(NOTEBOOKS)}"
            )
    return [name for name in NOTEBOOKS if (name in only if only else name not in ON_REQUEST)]


def assign(names: Sequence[str], given: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Give each notebook those of the parameters that it has, all checked before the first one runs.

    Raises
    ------
    ParameterError
        None of the notebooks has a parameter of that name, or its type is wrong.
    """
    fields = {field: None for name in names for field in NOTEBOOKS[name].model_fields if field != "case_file"}
    for name in given:
        if name not in fields:
            close = difflib.get_close_matches(name, fields, n=1)
            advice = f"did you mean '{close[0]}'" if close else f"the parameters are {', '.join(fields)}"
            raise ParameterError(f"parameter '{name}' was given", "no notebook that runs has it", advice)
    assigned = {
        name: {key: given[key] for key in given if key in NOTEBOOKS[name].model_fields} for name in names
    }
    for name, values in assigned.items():
        parameters.check(values, NOTEBOOKS[name])
    return assigned


def run(
    case: Case,
    names: Sequence[str],
    given: Mapping[str, Any],
    *,
    say: Callable[[str], None] = logger.info,
) -> CaseFolder:
    """Run notebooks in order into the case folder; the first that stops ends the run.

    Parameters
    ----------
    case : Case
    names : sequence of str
        As `choose` returns them.
    given : Mapping[str, Any]
        Parameters beside ``case_file``, for all notebooks that have them.
    say : callable
        Told one sentence per notebook.

    Returns
    -------
    CaseFolder

    Raises
    ------
    NotebookError
        With the sentence that the notebook ended on, and where its output is.
    ParameterError, OutputError
        Before anything runs.
    """
    assigned = assign(names, given)
    folder = CaseFolder(case)
    for name in names:
        began = time.monotonic()
        output = folder.path / "notebooks" / f"{name}.ipynb"
        execute(FOLDER / f"{name}.ipynb", output, {"case_file": str(case.source), **assigned[name]})
        say(f"{name}: done in {time.monotonic() - began:.1f} s.")
    return folder


def execute(source: Path, output: Path, values: Mapping[str, Any]) -> None:
    """Run one notebook.

    Raises
    ------
    NotebookError
        A cell raised, or the kernel died.
    """
    with warnings.catch_warnings():
        # Whatever papermill's own stack warns of is nothing that a support engineer can act on.
        warnings.simplefilter("ignore")
        import papermill  # noqa: PLC0415 - a second of imports that --help and most errors do not need
        from jupyter_client.kernelspec import NoSuchKernel  # noqa: PLC0415
        from nbclient.exceptions import CellTimeoutError, DeadKernelError  # noqa: PLC0415
        from papermill.exceptions import PapermillExecutionError  # noqa: PLC0415

        try:
            with tempfile.TemporaryDirectory(prefix="kit-kernel-") as sockets:
                papermill.execute_notebook(
                    str(source),
                    str(output),
                    parameters=dict(values),
                    kernel_name="python3",
                    cwd=str(PROJECT),
                    progress_bar=False,
                    execution_timeout=CELL_TIMEOUT,
                    config=_kernel_settings(Path(sockets)),
                    kernel_manager_class=_QuietKernelManager,
                )
        except PapermillExecutionError as error:
            raise _stopped(source.stem, output, error.ename, error.evalue) from None
        except (DeadKernelError, CellTimeoutError, NoSuchKernel) as error:
            raise _stopped(source.stem, output, type(error).__name__, str(error).splitlines()[0]) from error
        except RuntimeError as error:  # what nbclient says of a kernel that does not start
            what, cause = f"{source.stem} was not begun", f"its kernel did not start ({error})"
            raise NotebookError(what, cause, "run it again; if that fails, set .venv up anew") from error


class _QuietKernelManager(AsyncKernelManager):
    """Starts kernels whose own standard error is not the terminal's.

    A kernel tells its orderly end as an error there, at times with a traceback. What a cell writes to
    standard error goes into the notebook all the same.
    """

    # The base class states the type of its synchronous twin.
    async def start_kernel(self, **options: Any) -> None:  # type: ignore[override]  # noqa: ANN401
        await super()._async_start_kernel(stderr=subprocess.DEVNULL, **options)


def _kernel_settings(sockets: Path) -> Config:
    """Talk to the kernel through files where the system can: nobody on the machine can listen, as on TCP.

    The files have a folder of their own: by default those of all kernels that start in one folder at the same
    time would have the same names.
    """
    settings = Config()
    if os.name == "posix":
        settings.KernelManager.transport = "ipc"
        settings.KernelManager.ip = str(sockets / "kernel")
    return settings


def _stopped(name: str, output: Path, kind: str, sentence: str) -> NotebookError:
    """Say what a notebook's last cell said, as its own sentence where it is one of ours."""
    said = sentence.rstrip(".") or kind
    what, _, rest = said.partition(": ")
    cause, _, next_step = rest.rpartition("; ")
    if not hasattr(errors, kind) or not cause:
        return NotebookError(f"{name} stopped", f"{kind}: {said}", f"see {output}")
    return NotebookError(f"in {name}, {what}", cause, f"{next_step}; see {output}")
