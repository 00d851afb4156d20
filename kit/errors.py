"""Every error the kit raises on purpose, in one tree.

KitError
├── SetupError              the machine or the virtual environment is not ready
├── CaseError               the case file is wrong
│   └── ParameterError      a notebook or command parameter is wrong
├── OutputError             the outputs folder or a file in it cannot be used
├── SourceError             a system could not be read
│   ├── UnreachableError    no connection: name, port, network, time-out
│   ├── CertificateError    TLS: the server's certificate is not trusted
│   ├── SignInError         the server refused the account
│   ├── RightsError         signed in, but not allowed to do this
│   ├── NotFoundError       the named thing does not exist there
│   ├── ConflictError       the value is no longer the one that was read
│   └── ProtocolError       the server answered something unexpected
└── SafetyError             the kit refuses to go on
    ├── LockedError         another run of the case holds the lock
    ├── GateError           work that a person must do was not seen done in time
    ├── ExportError         the pending exports are not what was expected
    ├── RunError            a run of a management agent ended badly
    └── OutcomeUnknownError a call may or may not have taken effect
"""

from __future__ import annotations


class KitError(Exception):
    """An error a support engineer can act on: what happened, why, and what to do next.

    Parameters
    ----------
    what : str
        What happened, naming the bad value.
    cause : str
        The likely cause.
    next_step : str
        What to do now.

    Examples
    --------
    >>> print(KitError("base DN 'DC=x' was refused", "it does not exist", "read it from the rootDSE"))
    base DN 'DC=x' was refused: it does not exist; read it from the rootDSE.
    """

    def __init__(self, what: str, cause: str, next_step: str) -> None:
        super().__init__(what, cause, next_step)
        self.what = what
        self.cause = cause
        self.next_step = next_step

    def __str__(self) -> str:
        return f"{self.what}: {self.cause}; {self.next_step}."

    @property
    def kind(self) -> str:
        """The class's name without its ending, as frames store it in ``error_kind``."""
        return type(self).__name__.removesuffix("Error")

    def _render_traceback_(self) -> list[str]:
        """Show the sentence instead of a traceback wherever IPython displays the error."""
        return [f"{type(self).__name__}: {self}"]


class SetupError(KitError):
    """The machine or the virtual environment is not ready."""


class CaseError(KitError):
    """The case file is wrong."""


class ParameterError(CaseError):
    """A notebook or command parameter is wrong."""


class OutputError(KitError):
    """The outputs folder, or a file in it, cannot be used."""


class SourceError(KitError):
    """A system could not be read."""


class UnreachableError(SourceError):
    """No connection could be made, or it was lost."""


class CertificateError(SourceError):
    """The server's TLS certificate is not trusted."""


class SignInError(SourceError):
    """The server refused the account."""


class RightsError(SourceError):
    """The account signed in but may not do this."""


class NotFoundError(SourceError):
    """The named thing does not exist on that system."""


class ConflictError(SourceError):
    """The value is no longer the one that was read."""


class ProtocolError(SourceError):
    """The server answered something unexpected."""


class SafetyError(KitError):
    """The kit refuses to go on, because going on could lose data."""


class LockedError(SafetyError):
    """Another run of the same case holds the lock."""


class GateError(SafetyError):
    """Work that a person must do by hand was not seen done in time."""


class ExportError(SafetyError):
    """The pending exports are not the ones that were expected."""


class RunError(SafetyError):
    """A run of a management agent ended badly."""


class OutcomeUnknownError(SafetyError):
    """A call may or may not have taken effect, and its outcome could not be read back."""
