"""Twisted's reactor, running in one thread of its own for all servers of the farm."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, TypeVar

from twisted.internet import reactor, threads

_Result = TypeVar("_Result")
_starting = threading.Lock()  # Twisted has one reactor per process, and so one start of it


def call(function: Callable[..., _Result], *arguments: Any) -> _Result:  # noqa: ANN401 # passed through
    """Call a function in the reactor's thread, starting that if need be, and wait for its result.

    The thread is a daemon: a reactor cannot be started twice, so it stays until the process ends.
    """
    engine: Any = reactor  # the module stands for the reactor it installed, which typing cannot know
    with _starting:
        if not engine.running:
            running = threading.Event()
            engine.callWhenRunning(running.set)
            threading.Thread(
                target=engine.run, kwargs={"installSignalHandlers": False}, name="farm-reactor", daemon=True
            ).start()
            running.wait()
    result: _Result = threads.blockingCallFromThread(engine, function, *arguments)
    return result
