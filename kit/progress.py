"""Progress of long work: a bar where a person watches, nothing where none does."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable
from importlib.util import find_spec
from typing import Any

from tqdm import tqdm

Progress = Callable[[Iterable[Any], str, int], Iterable[Any]]
"""Wraps the items of long work: ``progress(items, description, total)`` yields the same items."""

_JUPYTERLAB = "JPY_SESSION_NAME"
_INTERACTIVE = (_JUPYTERLAB, "VSCODE_PID", "VSCODE_CWD")
"""Set for kernels that JupyterLab or VS Code started, and not for those of papermill."""


def quiet(items: Iterable[Any], description: str, total: int) -> Iterable[Any]:  # noqa: ARG001 - one signature
    """Show nothing.

    Examples
    --------
    >>> list(quiet([1, 2], "counting", 2))
    [1, 2]
    """
    return items


def has_buttons() -> bool:
    """Whether somebody watches in JupyterLab who can press buttons, and ipywidgets is there to make them."""
    return _JUPYTERLAB in os.environ and find_spec("ipywidgets") is not None


def bar(items: Iterable[Any], description: str, total: int) -> Iterable[Any]:
    """Show a bar on standard error if a person watches, in a notebook or in a terminal."""
    watched = any(name in os.environ for name in _INTERACTIVE) or (
        sys.stderr is not None and sys.stderr.isatty()
    )
    shown: Iterable[Any] = tqdm(items, description, total or None, disable=not watched, leave=False)
    return shown
