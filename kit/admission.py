"""What stands between an account and MIM's WMI provider, asked from the outside in."""

from __future__ import annotations

from typing import Literal

from kit.errors import RightsError
from kit.faults import comes_from_wmi
from kit.wsman import Connection, select

Gate = Literal["listener", "namespace", "group"]
"""What an account must pass on its way to the provider, from the outside in."""


def closed_gate(connection: Connection, namespace: str) -> tuple[Gate, RightsError] | None:
    """Find the first gate of WMI at which the account is turned away.

    Parameters
    ----------
    connection : Connection
        To the provider's namespace.
    namespace : str
        Its name, for the advice.

    Returns
    -------
    tuple of (Gate, RightsError) or None
        The gate and what to do there; None when the account passes all three. ``listener``: WinRM itself
        (Remote Management Users). ``namespace``: Enable Account and Remote Enable on the provider's
        namespace; ``__Namespace`` is a class of WMI's own, so its answer needs no provider. ``group``:
        the provider, which asks for a MIM sync group.

    Raises
    ------
    SourceError
        One of its subclasses, if the server cannot be asked at all.
    """
    try:
        connection.query(select("__Namespace"))
    except RightsError as error:
        if not comes_from_wmi(error.__cause__):
            return "listener", error
        step = f"allow it Enable Account and Remote Enable on {namespace} in wmimgmt.msc"
        return "namespace", RightsError(error.what, error.cause, step)
    try:
        connection.query(select("MIIS_Server"))
    except RightsError as error:
        step = "add it to FIMSyncOperators, which may read and run the agents"
        return "group", RightsError(error.what, error.cause, step)
    return None
