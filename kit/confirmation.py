"""A person's word that something was done of which MIM shows nothing: a button, a file or a parameter.

All three end as a file in the case folder, ``confirmed/<gate>``, which opens its gate once.
"""

from __future__ import annotations

import getpass
import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kit.errors import OutputError
from kit.progress import has_buttons
from kit.sequence import CONFIRMATIONS

PAUSED = "schedules_paused"
"""What the experiment asks for before each attempt, apart from the gates of the fix."""


class Confirmations:
    """The gates of a case that somebody has confirmed and that have not been passed yet.

    Parameters
    ----------
    folder : Path
        The case folder.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "confirmed"

    def path(self, gate: str) -> Path:
        """Return the file that confirms a gate; one with an ending, such as ``.txt``, does as well."""
        return self._folder / gate

    def give(self, gate: str, how: str) -> None:
        """Confirm a gate.

        Parameters
        ----------
        gate : str
            One of `kit.sequence.CONFIRMATIONS`, or `PAUSED`.
        how : str
            ``parameter`` or ``button``.

        Raises
        ------
        OutputError
            The case folder cannot be written.
        """
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self.path(gate).write_text(f"{how} of {getpass.getuser()}", encoding="utf-8")
        except OSError as error:
            cause = error.strerror or type(error).__name__
            raise OutputError(f"'{self.path(gate)}' cannot be written", cause, "make it writable") from error

    def given(self, gate: str) -> bool:
        """Whether a gate is confirmed."""
        return bool(self._files(gate))

    def take(self, gate: str) -> str:
        """Use a confirmation up, so that it opens no other fix's gate; return what it says of itself."""
        told = "file"
        for path in self._files(gate):
            told = path.read_text(encoding="utf-8", errors="replace").strip()[:80] or told
            path.unlink()
        return told

    def forget(self) -> None:
        """Use up what was confirmed for an earlier fix."""
        for gate in CONFIRMATIONS:
            self.take(gate)

    def ways(self, gate: str) -> str:
        """Say how a person can confirm a gate."""
        return f"make the empty file '{self.path(gate)}', or run the notebook with confirmed=['{gate}']"

    def offer_button(self, gate: str) -> None:
        """Show a button where a person watches and ipywidgets is there.

        Its click arrives while the cell waits only where the front end and the kernel talk about widgets in a
        subshell (JupyterLab 4.4 and ipykernel 7 on); elsewhere the file does.
        """
        if not has_buttons():
            return
        widgets: Any = importlib.import_module("ipywidgets")
        show: Any = importlib.import_module("IPython.display").display
        button = widgets.Button(description=f"Done: {gate.replace('_', ' ')}", layout={"width": "auto"})

        def pressed(_: object) -> None:
            self.give(gate, "button")
            button.disabled = True

        button.on_click(pressed)
        show(button)

    def _files(self, gate: str) -> Sequence[Path]:
        exact = self.path(gate)
        return [exact] if exact.is_file() else sorted(self._folder.glob(f"{gate}.*"))
