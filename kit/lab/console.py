"""The operator console: what a person does by hand in miisclient.exe, as a small web page and an HTTP call.

Deleting a connector space, switching provisioning and exporting the server's configuration have no call in
the synchronization service's WMI provider, so they are here and nowhere else.

``GET /state`` · ``POST /agents/NAME/delete-connector-space`` ·
``POST /agents/NAME/run {"profile": "Export"}`` · ``POST /provisioning {"enabled": false}`` ·
``POST /export-configuration {"folder": "..."}``; bodies and answers are JSON. A refused call is answered with
``{"what", "cause", "next_step"}``: 409 while a run is in progress, 404 for an unknown agent, 400 for a bad
body, 403 for a call that another web page made.
"""

from __future__ import annotations

import http.client
import json
import logging
import re
import threading
from collections.abc import Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, TypeVar, cast
from urllib.parse import quote, unquote, urlsplit

from kit.errors import KitError, NotFoundError, ParameterError, RightsError, SafetyError, UnreachableError
from kit.lab.engine import Engine
from kit.lab.runs import RunRecord

logger = logging.getLogger(__name__)

T = TypeVar("T", bool, str)

_PAGE = Path(__file__).with_name("console.html")
_LONGEST_BODY = 65536
_SECURITY = "default-src 'none'; connect-src 'self'; script-src 'unsafe-inline'; style-src 'unsafe-inline'"
_STATUSES: tuple[tuple[type[KitError], HTTPStatus], ...] = (
    (NotFoundError, HTTPStatus.NOT_FOUND),
    (RightsError, HTTPStatus.FORBIDDEN),
    (SafetyError, HTTPStatus.CONFLICT),
    (ParameterError, HTTPStatus.BAD_REQUEST),
    (KitError, HTTPStatus.INTERNAL_SERVER_ERROR),
)


class ConsoleServer(ThreadingHTTPServer):
    """A running console on 127.0.0.1.

    Parameters
    ----------
    engine : Engine
        The synchronization service that it operates.
    """

    daemon_threads = False

    def __init__(self, engine: Engine) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.engine = engine
        self.url = f"http://127.0.0.1:{self.server_port}"
        self._thread = threading.Thread(target=self.serve_forever, args=(0.05,), name=self.url, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop serving and wait for the calls in progress."""
        self.shutdown()
        self._thread.join()
        self.server_close()

    def state(self) -> dict[str, Any]:
        """Return what the console shows: the agents with their counters and last run, and provisioning."""
        return {
            "provisioning_enabled": self.engine.rules.provisioning_enabled,
            "agents": [
                {
                    "name": agent.name,
                    "guid": agent.guid,
                    "type": agent.type,
                    "counters": self.engine.counters(agent.name),
                    "last_run": _show(self.engine.runs(agent.name)),
                }
                for agent in self.engine.agents.values()
            ],
        }

    def operate(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Do what a call asks for.

        Parameters
        ----------
        path : str
            The call's path.
        body : Mapping[str, Any]
            Its parameters.

        Returns
        -------
        dict[str, Any]
            The outcome.

        Raises
        ------
        NotFoundError, ParameterError, SafetyError, OutputError
            No such call or agent, a wrong parameter, a run in progress, a folder that cannot be written.
        """
        deletion = re.fullmatch(r"/agents/([^/]+)/delete-connector-space", path)
        if deletion:
            return {"deleted": self.engine.delete_connector_space(unquote(deletion[1]))}
        run = re.fullmatch(r"/agents/([^/]+)/run", path)
        if run:
            return {"status": self.engine.execute(unquote(run[1]), _parameter(body, "profile", str))}
        if path == "/provisioning":
            self.engine.set_provisioning(_parameter(body, "enabled", bool))
            return {"provisioning_enabled": self.engine.rules.provisioning_enabled}
        if path == "/export-configuration":
            folder = Path(_parameter(body, "folder", str)).expanduser()
            return {"files": [str(file) for file in self.engine.export_configuration(folder.resolve())]}
        raise _unknown(path)


def start(engine: Engine) -> ConsoleServer:
    """Start a console for an engine on a free port.

    Parameters
    ----------
    engine : Engine
        The synchronization service that it operates.

    Returns
    -------
    ConsoleServer
        Serving; its ``url`` is the page, ``stop()`` ends it.
    """
    return ConsoleServer(engine)


def press(
    url: str, path: str, body: Mapping[str, Any] | None = None, *, timeout: float = 600.0
) -> dict[str, Any]:
    """Do one thing on a console, as the operator would by pressing a button.

    Parameters
    ----------
    url : str
        The console's address.
    path : str
        The call's path; see :func:`deletion_path` for the one with a name in it.
    body : Mapping[str, Any] or None
        Its parameters.
    timeout : float
        Seconds to wait for the answer.

    Returns
    -------
    dict[str, Any]
        The outcome.

    Raises
    ------
    KitError
        The console's refusal, of the class that its status stands for.
    UnreachableError
        There is no console at the address.
    """
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=timeout)
    try:
        connection.request("POST", path, json.dumps(body or {}), {"Content-Type": "application/json"})
        response = connection.getresponse()
        answer = json.loads(response.read())
    except (OSError, http.client.HTTPException, ValueError) as error:
        what, cause = f"the operator console at {url} did not answer", str(error)
        raise UnreachableError(what, cause, "check that the lab is running") from error
    finally:
        connection.close()
    if response.status != HTTPStatus.OK:
        refusal = next((kind for kind, status in _STATUSES if status == response.status), KitError)
        raise refusal(answer["what"], answer["cause"], answer["next_step"])
    return cast("dict[str, Any]", answer)


def deletion_path(agent: str) -> str:
    """Return the path of the call that deletes an agent's connector space.

    Examples
    --------
    >>> deletion_path("SP MA")
    '/agents/SP%20MA/delete-connector-space'
    """
    return f"{_agent_path(agent)}/delete-connector-space"


def run_path(agent: str) -> str:
    """Return the path of the call that runs one of an agent's profiles."""
    return f"{_agent_path(agent)}/run"


def _agent_path(agent: str) -> str:
    return f"/agents/{quote(agent, safe='')}"


class _Handler(BaseHTTPRequestHandler):
    """Answers one request; every connection carries one."""

    timeout = 5  # a browser opens connections ahead of need and leaves them silent
    server: ConsoleServer

    def do_GET(self) -> None:
        try:
            self._check_address()
            if self.path == "/":
                self._answer(HTTPStatus.OK, "text/html; charset=utf-8", _PAGE.read_bytes())
            elif self.path == "/state":
                self._answer_json(HTTPStatus.OK, self.server.state())
            else:
                raise _unknown(self.path)
        except KitError as error:
            self._refuse(error)

    def do_POST(self) -> None:
        try:
            body = self._body()
            self._check_address()
            self._answer_json(HTTPStatus.OK, self.server.operate(self.path, body))
        except KitError as error:
            self._refuse(error)

    def _check_address(self) -> None:
        """Refuse a call that another web page made a browser send.

        Such a page can neither send JSON without asking first, which is not answered, nor hide its origin,
        nor, if it points a host name of its own at this address, that name.
        """
        url = self.server.url
        own = self.headers.get("Host") == urlsplit(url).netloc and self.headers.get("Origin", url) == url
        if not own or (self.command == "POST" and self.headers.get_content_type() != "application/json"):
            what, cause = "the call was refused", "it does not come from the console's own page or a program"
            raise RightsError(what, cause, f"open {url} and use its buttons")

    def _body(self) -> Mapping[str, Any]:
        length = self.headers.get("Content-Length", "0")
        sensible = length.isdecimal() and int(length) <= _LONGEST_BODY
        try:
            body = json.loads(self.rfile.read(int(length)) or b"{}") if sensible else None
        except ValueError:
            body = None  # refused below, as any other body that is not an object
        if not isinstance(body, dict):
            what, cause = (
                f"a body of {length} bytes was refused",
                "it is no JSON object of a sensible length",
            )
            raise ParameterError(what, cause, "send a JSON object")
        return body

    def _refuse(self, error: KitError) -> None:
        status = next(status for kind, status in _STATUSES if isinstance(error, kind))
        self._answer_json(status, {"what": error.what, "cause": error.cause, "next_step": error.next_step})

    def _answer_json(self, status: HTTPStatus, answer: Mapping[str, Any]) -> None:
        self._answer(status, "application/json", json.dumps(answer).encode())

    def _answer(self, status: HTTPStatus, content_type: str, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Content-Security-Policy", _SECURITY)
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Log instead of writing to standard error."""
        logger.debug("%s: " + format, self.server.url, *args)


def _parameter(body: Mapping[str, Any], name: str, kind: type[T]) -> T:
    value = body.get(name)
    if type(value) is kind and value != "":
        return value
    what, cause = f"'{name}' is {json.dumps(value)}", f"it must be a {kind.__name__}"
    raise ParameterError(what, cause, f"send {{{json.dumps(name)}: ...}} with a value of that type")


def _unknown(path: str) -> NotFoundError:
    return NotFoundError(f"the console has no address '{path}'", "it is mistyped", "use the console's page")


def _show(runs: list[RunRecord]) -> dict[str, str] | None:
    if not runs:
        return None
    newest = runs[0]
    ended = newest.ended.isoformat(timespec="seconds") if newest.ended else ""
    return {"profile": newest.profile, "status": newest.status, "ended": ended}
