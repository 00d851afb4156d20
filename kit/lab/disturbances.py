"""What can be made to go wrong with the runs of the synchronization service; nothing does at first."""

from __future__ import annotations

import threading
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from kit.lab.connector import ExportFailure
from kit.lab.runs import USER_TERMINATION, StepStoppedError
from kit.lab.space import ConnectorSpaceObject

_HAPPENS_MIDWAY = ("no-start-", "stopped-")


@dataclass(frozen=True)
class Ending:
    """How a run is to end, whatever it comes to by itself.

    A status that begins with ``no-start-`` or ``stopped-`` ends it once ``after`` objects were dealt with;
    any other one is said of it when it is through. ``connection`` is then the connection's result, and
    ``told`` what the connection's log holds of it, if anything.
    """

    status: str
    after: int = 0
    connection: str = "success"
    told: str = ""

    @property
    def midway(self) -> bool:
        """Whether the run breaks off."""
        return self.status.startswith(_HAPPENS_MIDWAY)


class Hold:
    """A place where one task stands still; ``reached`` is set while it does."""

    def __init__(self, after: int) -> None:
        self.after = after
        self.reached = threading.Event()
        self._released = threading.Event()

    def release(self) -> None:
        """Let the task go on, or never stand still."""
        self._released.set()

    def wait(self) -> None:
        """Stand still until released."""
        self.reached.set()
        self._released.wait()


class Passage:
    """One task's way through its objects, with whatever is due to it.

    Parameters
    ----------
    seconds_per_object : float
        How long each object takes.
    ending, hold
        Where it breaks off, and where it stands still.
    stop_requested : threading.Event
        Set when someone stops the run.
    """

    def __init__(
        self,
        seconds_per_object: float,
        ending: Ending | None,
        hold: Hold | None,
        stop_requested: threading.Event,
    ) -> None:
        self._seconds_per_object = seconds_per_object
        self._ending = ending
        self._hold = hold
        self._stop_requested = stop_requested
        self._passed = 0

    def next_object(self) -> None:
        """Take the time of one object, before it is dealt with.

        Raises
        ------
        StepStoppedError
            The run ends here.
        """
        self.check()
        if self._seconds_per_object:
            self._stop_requested.wait(self._seconds_per_object)
        self._passed += 1

    def check(self) -> None:
        """Stand still where that is due.

        Raises
        ------
        StepStoppedError
            The run ends here.
        """
        if self._hold and self._passed >= self._hold.after:
            self._hold.wait()
        if self._stop_requested.is_set():
            raise StepStoppedError(USER_TERMINATION, "someone stopped the run")
        if self._ending and self._ending.midway and self._passed >= self._ending.after:
            cause = self._ending.told or "the practice farm was told to end the run like this"
            raise StepStoppedError(
                self._ending.status, cause, self._ending.connection, logged=bool(self._ending.told)
            )

    def result(self, own: str) -> str:
        """Return the result of a step that came to an end with ``own``."""
        return self._ending.status if self._ending and not self._ending.midway else own


class Disturbances:
    """The trouble that is due, by agent.

    ``seconds_per_object`` makes every run and every deletion of a connector space that slow; WinRM loses
    patience with a run after a minute.
    """

    def __init__(self) -> None:
        self.seconds_per_object = 0.0
        self._endings: defaultdict[str, deque[Ending]] = defaultdict(deque)
        self._holds: dict[str, Hold] = {}
        self._failures: dict[tuple[str, str], str] = {}
        self._faults: dict[tuple[str, str], str] = {}

    def end_next(
        self, agent: str, status: str, *, after: int = 0, connection: str = "success", told: str = ""
    ) -> None:
        """Make the agent's next run end with a status; asked for again, the one after that; see `Ending`."""
        self._endings[agent].append(Ending(status, after, connection, told))

    def fail_exports(self, agent: str, error_type: str, accounts: Iterable[str]) -> None:
        """Refuse an agent's exports of some accounts with an export error, such as ``permission-issue``.

        An empty error type lets them through again.
        """
        for account in accounts:
            self._failures[agent, account.casefold()] = error_type

    def fail_synchronizations(self, agent: str, error_type: str, accounts: Iterable[str]) -> None:
        """Let the synchronization of an agent's objects of some accounts fail with an import error.

        An empty error type lets them through again.
        """
        for account in accounts:
            self._faults[agent, account.casefold()] = error_type

    @contextmanager
    def hold(self, agent: str, *, after: int = 0) -> Iterator[threading.Event]:
        """Let the agent's runs, and the deletion of its connector space, stand still while the block lasts.

        Parameters
        ----------
        agent : str
            Name of the management agent.
        after : int
            How many objects are dealt with first.

        Yields
        ------
        threading.Event
            Set once something stands still.
        """
        hold = self._holds[agent] = Hold(after)
        try:
            yield hold.reached
        finally:
            del self._holds[agent]
            hold.release()

    def release(self, agent: str) -> None:
        """Let what stands still go on, because somebody has stopped it."""
        if agent in self._holds:
            self._holds[agent].release()

    def next_ending(self, agent: str) -> Ending | None:
        """Return how the run that begins now is to end, and forget it."""
        endings = self._endings[agent]
        return endings.popleft() if endings else None

    def passage(
        self, agent: str, stop_requested: threading.Event | None = None, ending: Ending | None = None
    ) -> Passage:
        """Return the way of a task that begins now; only a run can be stopped or have an ending."""
        hold = self._holds.get(agent)
        return Passage(self.seconds_per_object, ending, hold, stop_requested or threading.Event())

    def failure(self, item: ConnectorSpaceObject) -> ExportFailure | None:
        """Return the error that an object's export is to have."""
        kind = _told(self._failures, item)
        return ExportFailure(kind, "the practice farm was told to refuse it") if kind else None

    def fault(self, item: ConnectorSpaceObject) -> str:
        """Return the type of the error that an object's synchronisation is to have; empty for none."""
        return _told(self._faults, item)


def _told(kinds: Mapping[tuple[str, str], str], item: ConnectorSpaceObject) -> str:
    names = (item.account.casefold(), item.anchor.casefold())
    return next((kind for name in names if (kind := kinds.get((item.agent, name)))), "")
